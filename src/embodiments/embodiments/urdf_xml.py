"""The XML of a URDF of unknown origin: bounded in size, elements and depth, without document types and entities."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from contracts.files import read_bytes
from embodiments.errors import EmbodimentError

MAX_BYTES = 8 << 20
MAX_ELEMENTS = 50_000
MAX_DEPTH = 40
_DECLARED = re.compile(rb"""^(?:\xef\xbb\xbf)?<\?xml\s[^>]{0,100}?encoding\s*=\s*["']([A-Za-z][\w.-]{0,40})""")


def read_text(path: Path) -> str:
    """Return the text of a URDF file.

    Raises:
        EmbodimentError: Not a readable file of at most MAX_BYTES in UTF-8; ASCII is the same in whatever it declares.
    """
    content = read_bytes(path, MAX_BYTES, EmbodimentError)
    declared = _DECLARED.match(content)
    encoding = declared[1].decode() if declared else "UTF-8"
    plain = encoding.lower() in ("utf-8", "utf8")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        found = "bytes that are not UTF-8" + ("" if plain else f", encoding {encoding} declared")
        raise EmbodimentError(path, "xml", found, "a URDF in UTF-8") from None
    if not plain and not text.isascii():
        raise EmbodimentError(path, "xml", f"encoding {encoding} declared, bytes of UTF-8", "a URDF in UTF-8")
    return text


def parse_robot(text: str, source: str = "urdf") -> ElementTree.Element:
    """Return the <robot> element of a URDF's text.

    Args:
        text: XML.
        source: The file's name, for messages.

    Raises:
        EmbodimentError: Not well-formed, larger than the bounds above, a document type or entity, xacro, not a <robot>.
    """
    try:
        # With a tree builder as its target the parser stops at the first element beyond the bounds.
        parser = DefusedXMLParser(target=_BoundedBuilder(source), forbid_dtd=True)
        parser.feed(text)
        robot: ElementTree.Element = parser.close()
    except DefusedXmlException:
        raise EmbodimentError(source, "xml", "a document type or entity declaration", "a URDF without one") from None
    except EmbodimentError:
        raise
    except Exception as error:  # not only ParseError: an encoding that expat does not know is a ValueError
        raise EmbodimentError(source, "xml", str(error), "well-formed XML") from None
    if any("xacro" in element.tag for element in robot.iter() if isinstance(element.tag, str)):
        raise EmbodimentError(source, "xml", "xacro macros", "a plain URDF (run xacro on it first)")
    if robot.tag != "robot":
        raise EmbodimentError(source, "xml", robot.tag, "the root element <robot>")
    return robot


class _BoundedBuilder(ElementTree.TreeBuilder):
    """Builds the tree of elements, up to so many and so deep."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self._source = source
        self._count = self._depth = 0

    def start(self, tag: str, attrs: dict[str, str], /) -> ElementTree.Element:
        """Begin an element."""
        self._count += 1
        self._depth += 1
        if self._depth > MAX_DEPTH or self._count > MAX_ELEMENTS:
            found = f"{self._count} elements, {self._depth} deep"
            raise EmbodimentError(self._source, "xml", found, f"at most {MAX_ELEMENTS} elements, {MAX_DEPTH} deep")
        return super().start(tag, attrs)

    def end(self, tag: str, /) -> ElementTree.Element:
        """End an element."""
        self._depth -= 1
        return super().end(tag)
