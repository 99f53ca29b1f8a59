"""Reads XML from anybody: bounded in size and depth, without document types and entities."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path
from xml.parsers import expat

from embodiments.errors import EmbodimentError

MAX_BYTES = 8 << 20
MAX_ELEMENTS = 50_000
MAX_DEPTH = 40


def read_robot(path: Path) -> ElementTree.Element:
    """The <robot> element of a file. Raises EmbodimentError for all that is not plain, bounded URDF."""
    file = str(path)
    try:
        if not path.is_file():
            raise EmbodimentError(file, "file", "no such file", "a URDF file")
        if path.stat().st_size > MAX_BYTES:
            raise EmbodimentError(file, "file", f"{path.stat().st_size} bytes", f"at most {MAX_BYTES} bytes")
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise EmbodimentError(file, "file", error.strerror, "a readable URDF file") from None
    except UnicodeDecodeError:
        raise EmbodimentError(file, "xml", "bytes that are not UTF-8", "a URDF in UTF-8") from None
    _guard(text, file)
    robot = ElementTree.fromstring(text)
    if any("xacro" in element.tag for element in robot.iter() if isinstance(element.tag, str)):
        raise EmbodimentError(file, "xml", "xacro macros", "a plain URDF (run xacro on it first)")
    if robot.tag != "robot":
        raise EmbodimentError(file, "xml", robot.tag, "the root element <robot>")
    return robot


def rename_world(robot: ElementTree.Element) -> list[str]:
    """Rename a link called "world", which simulators take for the world itself; returns notes."""
    ends = [end for joint in robot.findall("joint") for end in (*joint.findall("parent"), *joint.findall("child"))]
    for end in ends:
        if end.get("link") == "world":
            end.set("link", "hand_root")
    worlds = [link for link in robot.findall("link") if link.get("name") == "world"]
    for link in worlds:
        link.set("name", "hand_root")
    return ["link world is called hand_root here"] if worlds else []


def _guard(text: str, file: str) -> None:
    depth = count = 0

    def declare(*_: object) -> None:
        raise EmbodimentError(file, "xml", "a document type or entity declaration", "a URDF without one")

    def start(*_: object) -> None:
        nonlocal depth, count
        depth, count = depth + 1, count + 1
        if depth > MAX_DEPTH or count > MAX_ELEMENTS:
            found = f"{count} elements, {depth} deep"
            raise EmbodimentError(file, "xml", found, f"at most {MAX_ELEMENTS} elements, {MAX_DEPTH} deep")

    def end(*_: object) -> None:
        nonlocal depth
        depth -= 1

    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = declare
    parser.StartElementHandler, parser.EndElementHandler = start, end
    try:
        parser.Parse(text.encode("utf-8"), True)
    except expat.ExpatError as error:
        raise EmbodimentError(file, "xml", str(error), "well-formed XML") from None
