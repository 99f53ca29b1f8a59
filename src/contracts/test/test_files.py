"""Files from anybody: read whole within bounds or refused in one line; written in one step or not at all."""

from __future__ import annotations

import copy
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, field_validator

from contracts.errors import FileError, validate
from contracts.files import (
    check_file,
    dump_yaml,
    parse_json,
    parse_json_object,
    parse_yaml,
    read_bytes,
    read_json,
    read_mapping,
    replacing,
    write_atomic,
)


class OwnError(FileError):
    """An error of a class of its own."""


def refusal(path: Path, max_bytes: int = 100) -> str:
    """The line with which `read_bytes` refuses a file."""
    with pytest.raises(OwnError) as caught:
        read_bytes(path, max_bytes, OwnError)
    text = str(caught.value)
    assert text.startswith(f"{path}: found ") and ", expected " in text and "\n" not in text
    return text


def test_file_of_just_the_most_bytes_is_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(100))
    assert read_bytes(tmp_path / "file", 100) == bytes(100)


def test_file_of_one_byte_more_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(101))
    assert "found 101 bytes, expected at most 100 bytes" in refusal(tmp_path / "file")


def test_fifo_without_a_writer_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    assert "not a regular file" in refusal(tmp_path / "fifo")


def test_directory_is_refused(tmp_path: Path) -> None:
    assert "not a regular file" in refusal(tmp_path)


def test_device_that_never_ends_is_refused() -> None:
    assert "not a regular file" in refusal(Path("/dev/zero"))


def test_missing_file_is_refused(tmp_path: Path) -> None:
    assert "found no such file or directory" in refusal(tmp_path / "none")


def test_file_truncated_while_it_is_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, fstat = tmp_path / "file", os.fstat
    path.write_bytes(bytes(100))

    def measured_then_truncated(descriptor: int) -> os.stat_result:
        status = fstat(descriptor)
        os.truncate(path, 60)
        return status

    monkeypatch.setattr(os, "fstat", measured_then_truncated)
    assert "found 60 bytes while reading, expected the 100 bytes" in refusal(path)


def test_file_longer_than_its_size_is_refused() -> None:
    assert "found more bytes while reading" in refusal(Path("/proc/self/status"))  # 0 bytes, says the kernel


@pytest.mark.parametrize("kind", ["fifo", "device", "folder", "large", "missing", "null"])
def test_file_that_a_library_opens_is_checked_before(tmp_path: Path, kind: str) -> None:
    path = {"device": Path("/dev/zero"), "folder": tmp_path, "null": Path("a\0b")}.get(kind, tmp_path / "file")
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "large":
        path.write_bytes(bytes(101))
    with pytest.raises(OwnError, match=r"found .*, expected "):
        check_file(path, 100, OwnError)


def test_link_to_a_device_is_refused_and_one_to_a_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(b"content")
    (tmp_path / "file").symlink_to(tmp_path / "data")
    (tmp_path / "device").symlink_to("/dev/zero")
    check_file(tmp_path / "file", 7)
    assert read_bytes(tmp_path / "file", 7) == b"content"
    assert "not a regular file" in refusal(tmp_path / "device")
    with pytest.raises(OwnError, match="not a regular file"):
        check_file(tmp_path / "device", 100, OwnError)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('{"a": 1, "a": 2}', "found text that is not plain JSON ('a' is given twice), expected valid JSON"),
        ('[{"b": {"a": 1, "a": 1}}]', "found text that is not plain JSON ('a' is given twice)"),
        ("[" * 33 + "]" * 33, "found text that is not plain JSON (nested deeper than 32 levels)"),
        ("[" * 500_000, "found text that is not plain JSON (nested deeper than 32 levels)"),
        ('{"a": ' * 100_000, "found text that is not plain JSON (nested deeper than 32 levels)"),
        ("[NaN]", "found text that is not plain JSON (NaN is not a finite number)"),
        ("[-Infinity]", "found text that is not plain JSON (-Infinity is not a finite number)"),
        ("9" * 5000, "found text that is not plain JSON (Exceeds the limit"),
        ("{", "found text that is not plain JSON (Expecting property name"),
        ("", "found text that is not plain JSON (Expecting value"),
        (b"\xff", "found text that is not plain JSON ('utf-8' codec can't decode"),
        (" " * ((1 << 20) + 1), "found 1048577 bytes, expected at most 1048576 bytes"),
    ],
)
def test_json_that_is_not_plain_and_bounded_is_refused(text: str | bytes, line: str) -> None:
    with pytest.raises(OwnError) as caught:
        parse_json(text, "file.json", OwnError)
    assert str(caught.value).startswith(f"file.json: {line}") and "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["[1]", "{", "7", '{"a": 1, "a": 2}'])
def test_text_that_is_no_json_object_is_refused(text: str) -> None:
    with pytest.raises(FileError, match=r"parameter 'options': found .* expected a JSON object"):
        parse_json_object(text, "parameter 'options'")


def test_json_is_read_with_brackets_in_its_texts(tmp_path: Path) -> None:
    (tmp_path / "file.json").write_text('{"a": "' + "[" * 100 + '\\"]", "b": [[1.5], {}]}')
    assert read_json(tmp_path / "file.json") == {"a": "[" * 100 + '"]', "b": [[1.5], {}]}


def test_no_descriptor_stays_open_after_a_refusal(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        refusal(tmp_path)
    assert len(os.listdir("/proc/self/fd")) == before


def test_written_file_holds_the_content_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    write_atomic(tmp_path / "new" / "file.txt", "ä")
    write_atomic(tmp_path / "new" / "file.txt", b"second")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["file.txt"]
    assert (tmp_path / "new" / "file.txt").read_bytes() == b"second"


def test_failed_write_leaves_the_old_file_and_no_partial_one(tmp_path: Path) -> None:
    path = tmp_path / "file.npz"
    path.write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt), replacing(path) as partial:
        assert partial.suffix == ".npz" and partial.parent == tmp_path
        partial.write_bytes(b"half")
        raise KeyboardInterrupt
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"old"]


def test_write_onto_a_folder_or_fifo_fails_and_leaves_no_partial_file(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "fifo")
    for name in ("folder", "fifo"):
        with pytest.raises(OSError, match="exists and is not a regular file"):
            write_atomic(tmp_path / name, b"content")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fifo", "folder"]


def test_write_through_a_link_replaces_the_file_behind_it(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "data" / "file")
    write_atomic(tmp_path / "link", b"content")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "data" / "file").read_bytes() == b"content"


def yaml_refusal(tmp_path: Path, text: str | bytes) -> str:
    """What is said of a YAML file with this content."""
    path = tmp_path / "file.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(FileError) as caught:
        read_mapping(path)
    return str(caught.value).removeprefix(f"{path}: ")


ALIAS_BOMB = "a: &a [1]\n" + "".join(f"{b}: &{b} [*{a}, *{a}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (ALIAS_BOMB, "line 1: found text that is not plain YAML (an anchor or alias)"),
        ("a: &x 1", "line 1: found text that is not plain YAML (an anchor or alias)"),
        ("a: *x", "line 1: found text that is not plain YAML (an anchor or alias)"),
        ("a: 1\nb: 2\nb: 3", "line 3: found text that is not plain YAML ('b' is not a key or is given twice)"),
        ("<<: {a: 1}\na: 2", "line 1: found text that is not plain YAML (could not determine a constructor"),
        ("a: {b: 1, b: 1}", "line 1: found text that is not plain YAML ('b' is not a key or is given twice)"),
        ("? [a]\n: 1", "line 1: found text that is not plain YAML (['a'] is not a key or is given twice)"),
        ("a: " + "[" * 40 + "]" * 40, "line 1: found text that is not plain YAML (nested deeper than 32 levels)"),
        ("a: " + "[" * 200_000, "line 1: found text that is not plain YAML (nested deeper than 32 levels)"),
        ("a: !!python/object:os.system {}", "line 1: found text that is not plain YAML (could not determine"),
        ("a: 2024-13-01", "found text that is not plain YAML (month must be in 1..12)"),
        ("a: 1\n---\nb: 2", "line 2: found text that is not plain YAML (but found another document)"),
        ("a: [", "line 2: found text that is not plain YAML (did not find expected node content)"),
        ("- 1", "found [1], expected a mapping of fields"),
        ("", "found nothing, expected a mapping of fields"),
        ("a: 1" + ":59" * 300_000, "line 1: found text that is not plain YAML (a number of 900001 characters)"),
        ("a: 0x" + "f" * 1000, "line 1: found text that is not plain YAML (a number of 1002 characters)"),
        ('a: !!int "1' + ":59" * 100 + '"', "line 1: found text that is not plain YAML (a number of 301 characters)"),
        (b"a: \xff", "found bytes that are not UTF-8, expected YAML text"),
        (b"a: \x00", "found text that is not plain YAML"),
        ("a: " + "x" * (1 << 20), "found 1048579 bytes, expected at most 1048576 bytes"),
    ],
)
def test_yaml_that_is_not_plain_and_bounded_is_refused(tmp_path: Path, text: str | bytes, line: str) -> None:
    assert yaml_refusal(tmp_path, text).startswith(line)


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(content=st.dictionaries(st.text(), plain, max_size=3))
def test_any_mapping_of_plain_values_is_read_back_as_written(
    tmp_path_factory: pytest.TempPathFactory, content: dict
) -> None:
    path = tmp_path_factory.mktemp("yaml") / "file.yaml"
    write_atomic(path, dump_yaml(content))
    assert read_mapping(path) == content


def test_value_that_occurs_twice_is_written_twice() -> None:
    shared = [1, 2]
    assert dump_yaml({"b": shared, "a": shared}) == "b:\n- 1\n- 2\na:\n- 1\n- 2\n"


class Inner(BaseModel):
    """A part of a file."""

    model_config = ConfigDict(extra="forbid")
    size: int = 0

    @field_validator("size")
    @classmethod
    def _even(cls, size: int) -> int:
        if size % 2:
            raise FileError("", "half", "one half", "whole halves")
        return size


class Outer(BaseModel):
    """A file."""

    model_config = ConfigDict(extra="forbid")
    parts: dict[str, Inner] = {}
    name: str = Field(min_length=1, pattern="^[a-z]+$")
    tags: list[str] = Field(["a"], min_length=1)


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ({"name": 3}, "file: top.name: found 3, expected a valid string"),
        ({}, "file: top.name: found nothing, expected a value"),
        ({"nam": "x"}, "file: top.nam: found an unknown field, expected 'name' (1 more wrong)"),
        ({"name": "x", "parts": {"a": {"sise": 1}}}, "file: top.parts.a.sise: found an unknown field, expected 'size'"),
        ({"name": "x", "parts": {"a": {"size": 1}}}, "file: top.parts.a.size.half: found one half, expected whole"),
        ({"name": ""}, "file: top.name: found '', expected at least 1 character"),
        ({"name": "A"}, "file: top.name: found 'A', expected a match of '^[a-z]+$'"),
        ({"name": "x", "tags": []}, "file: top.tags: found [], expected at least 1 item"),
        ([1], "file: top: found [1], expected a valid dictionary or instance of Outer"),
    ],
)
def test_first_wrong_field_is_named_with_what_was_found_and_expected(content: object, line: str) -> None:
    with pytest.raises(OwnError) as caught:
        validate(Outer, content, "file", OwnError, "top.")
    assert str(caught.value).startswith(line)


@pytest.mark.parametrize(("text", "value"), [("1:30", "1:30"), ("1:30.5", "1:30.5"), ("010", "010"), ("-2.5", -2.5)])
def test_number_in_base_60_or_8_is_read_as_the_text_it_is(text: str, value: object) -> None:
    assert parse_yaml(f"a: {text}", "file") == {"a": value}


class Numbers(BaseModel):
    """A file with numbers in several places."""

    one: float = 0.0
    several: list[int | None] = []
    switch: bool = False
    inner: dict[str, Inner] = {}


@pytest.mark.parametrize(
    ("content", "field"),
    [
        ({"one": True}, "one"),
        ({"several": [1, False]}, "several.1"),
        ({"inner": {"a": {"size": False}}}, "inner.a.size"),
    ],
)
def test_yes_and_no_are_no_numbers(content: dict[str, object], field: str) -> None:
    with pytest.raises(OwnError, match=rf"^file: {field}: found (True|False), expected a number$"):
        validate(Numbers, content | {"switch": True}, "file", OwnError)
    assert validate(Numbers, {"one": 1, "several": [0, None], "switch": True}, "file").one == 1.0


@given(found=st.text(), expected=st.text())
def test_message_is_one_line_of_bounded_length(found: str, expected: str) -> None:
    text = str(FileError("f" * 5000, found * 1000, found * 1000, expected * 1000))
    assert len(text) < 2100 and text.isprintable()


def test_error_without_a_file_gets_one_and_keeps_it() -> None:
    error = OwnError("", "field", None, ["a"]).within("first").within("second")
    assert isinstance(error, OwnError) and str(error) == "first: field: found nothing, expected ['a']"


def test_error_built_anew_from_its_arguments_is_the_same() -> None:
    error = OwnError("file", "field", "a", "b")
    other = copy.copy(error)  # built anew from its arguments, as between processes
    assert type(other) is OwnError and (str(other), other.field) == (str(error), "field")
