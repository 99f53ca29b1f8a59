"""Reads URDF text into a checked kinematic tree. Geometry is left to the simulator; nothing here opens a mesh."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from xml.etree import ElementTree

from embodiments.errors import EmbodimentError
from embodiments.urdf_joint import MOVING, Joint, read_attribute, read_joint
from embodiments.urdf_plain import make_plain
from embodiments.urdf_xml import parse_robot


@dataclass(frozen=True, eq=False)
class Tree:
    """A checked kinematic tree: `joints` are sorted so that a parent always comes before its children."""

    name: str
    root: str
    links: tuple[str, ...]
    joints: tuple[Joint, ...]

    @property
    def actuated(self) -> tuple[str, ...]:
        """Names of the joints that move and follow no other joint, in tree order."""
        return tuple(j.name for j in self.joints if j.kind in MOVING and j.mimic is None)


def parse(text: str, source: str = "urdf") -> Tree:
    """Return the kinematic tree of a URDF, as `urdf_plain` rewrites it.

    Args:
        text: XML.
        source: The file's name, for messages.

    Raises:
        EmbodimentError: Not a URDF, or not one tree of known joints.
    """
    robot = parse_robot(text, source)
    links = _unique((read_attribute(e, "name", source, "link") for e in robot.findall("link")), source, "link")
    _unique((read_attribute(e, "name", source, "joint") for e in robot.findall("joint")), source, "joint")
    make_plain(robot, source)
    joints = [read_joint(e, source) for e in robot.findall("joint")]
    _check_ends(joints, links, source)
    root, ordered = _sorted(joints, links, source)
    return Tree(robot.get("name", ""), root, links, ordered)


def without_geometry(text: str) -> str:
    """Return the URDF reduced to its kinematics, for libraries without the shapes of URDF 1.2."""
    robot = parse_robot(text)
    robot.attrib.pop("version", None)
    for link in robot.findall("link"):
        for element in (*link.findall("visual"), *link.findall("collision")):
            link.remove(element)
    return ElementTree.tostring(robot, encoding="unicode")


def _unique(names: Iterable[str], source: str, what: str) -> tuple[str, ...]:
    seen: dict[str, None] = {}
    for name in names:
        if name in seen:
            raise EmbodimentError(source, f"{what} {name}", "two of that name", "names used once")
        seen[name] = None
    return tuple(seen)


def _check_ends(joints: list[Joint], links: tuple[str, ...], source: str) -> None:
    children: set[str] = set()
    for joint in joints:
        for end, link in (("parent", joint.parent), ("child", joint.child)):
            if link not in links:
                raise EmbodimentError(source, f"joint {joint.name}.{end}", link, f"one of the links {', '.join(links)}")
        if joint.child in children:
            raise EmbodimentError(source, f"joint {joint.name}.child", joint.child, "a link that is no other's child")
        children.add(joint.child)


def _sorted(joints: list[Joint], links: tuple[str, ...], source: str) -> tuple[str, tuple[Joint, ...]]:
    """Depth-first from the one root; joints that are not reached are part of a cycle."""
    children = {joint.child for joint in joints}
    roots = [link for link in links if link not in children]
    if len(roots) != 1:
        raise EmbodimentError(source, "links", roots, "exactly one root link (none: a cycle; several: loose parts)")
    ordered: list[Joint] = []
    stack = [joint for joint in reversed(joints) if joint.parent == roots[0]]
    while stack:
        joint = stack.pop()
        ordered.append(joint)
        stack.extend(j for j in reversed(joints) if j.parent == joint.child)
    if len(ordered) != len(joints):
        loose = sorted({j.name for j in joints} - {j.name for j in ordered})
        raise EmbodimentError(source, "joints", loose, "a tree without cycles")
    return roots[0], tuple(ordered)
