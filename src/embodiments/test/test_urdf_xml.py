"""XML from untrusted sources: bounded, without document types and entities, or refused in one line."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from embodiments import EmbodimentError
from embodiments.urdf_xml import MAX_BYTES, MAX_DEPTH, MAX_ELEMENTS, parse_robot, read_text

LAUGHS = '<!DOCTYPE r [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]><robot name="&b;"/>'
EXTERNAL = '<!DOCTYPE r [<!ENTITY a SYSTEM "file:///etc/passwd">]><robot>&a;</robot>'


def nested(depth: int) -> str:
    """A robot with elements inside one another, this many with itself."""
    return "<robot>" + "<a>" * (depth - 1) + "</a>" * (depth - 1) + "</robot>"


@pytest.mark.parametrize("text", [nested(MAX_DEPTH), f"<robot>{'<a/>' * (MAX_ELEMENTS - 1)}</robot>"])
def test_text_at_the_bounds_is_read(text: str) -> None:
    assert parse_robot(text).tag == "robot"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (LAUGHS, "found a document type or entity declaration, expected a URDF without one"),
        (EXTERNAL, "found a document type or entity declaration, expected a URDF without one"),
        ("<!DOCTYPE robot><robot/>", "found a document type or entity declaration, expected a URDF without one"),
        (nested(MAX_DEPTH + 1), f"found {MAX_DEPTH + 1} elements, {MAX_DEPTH + 1} deep, expected at most"),
        ("<robot>" + "<a>" * 1_000_000, f"found {MAX_DEPTH + 1} elements, {MAX_DEPTH + 1} deep, expected at most"),
        (f"<robot>{'<a/>' * MAX_ELEMENTS}</robot>", f"found {MAX_ELEMENTS + 1} elements, 2 deep, expected at most"),
        ("<robot>&lol;</robot>", "found undefined entity: line 1, column 7, expected well-formed XML"),
        ("<robot>\x00</robot>", "found not well-formed (invalid token)"),
        ("", "found no element found"),
    ],
)
def test_text_that_is_not_plain_and_bounded_is_refused(text: str, line: str) -> None:
    with pytest.raises(EmbodimentError) as caught:
        parse_robot(text, "toy.urdf")
    assert str(caught.value).startswith(f"toy.urdf: xml: {line}")


def test_file_that_is_too_large_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "toy.urdf"
    path.touch()
    os.truncate(path, MAX_BYTES + 1)
    with pytest.raises(EmbodimentError, match=f"found {MAX_BYTES + 1} bytes, expected at most {MAX_BYTES} bytes"):
        read_text(path)


@pytest.mark.parametrize("encoding", ["GB2312", "ISO-8859-1", "utf-16", "nonsense"])
def test_ascii_is_read_whatever_encoding_it_declares(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "toy.urdf"
    path.write_text(f'<?xml version="1.0" encoding="{encoding}"?><robot/>')
    assert parse_robot(read_text(path)).tag == "robot"


def test_utf8_that_declares_another_encoding_is_refused_by_both_names(tmp_path: Path) -> None:
    path = tmp_path / "toy.urdf"
    path.write_text('<?xml version="1.0" encoding="GB2312"?><!-- 零位 --><robot/>', encoding="utf-8")
    with pytest.raises(EmbodimentError, match="found encoding GB2312 declared, bytes of UTF-8, expected a URDF in UTF"):
        read_text(path)


def test_bytes_of_the_declared_other_encoding_are_refused_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "toy.urdf"
    path.write_bytes('<?xml version="1.0" encoding="GB2312"?><!-- 零位 --><robot/>'.encode("gb2312"))
    with pytest.raises(EmbodimentError, match="found bytes that are not UTF-8, encoding GB2312 declared, expected"):
        read_text(path)
