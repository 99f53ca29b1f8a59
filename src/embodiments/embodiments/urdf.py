"""Reads URDF text into a checked kinematic tree. Geometry is left to the simulator; nothing here opens a mesh."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from embodiments.errors import EmbodimentError
from embodiments.transforms import pose

MOVING = ("revolute", "prismatic")


@dataclass(frozen=True)
class Mimic:
    """`position = multiplier * source + offset`, then clamped to the mimicking joint's own limits."""

    source: str
    multiplier: float
    offset: float


@dataclass(frozen=True, eq=False)
class Joint:
    """One joint of the tree. `origin` is (4, 4) parent link -> joint frame at zero; limits in rad or m."""

    name: str
    kind: str
    parent: str
    child: str
    origin: np.ndarray
    axis: np.ndarray
    lower: float = 0.0
    upper: float = 0.0
    mimic: Mimic | None = None


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
    """Parse URDF `text`; `source` names it in errors. Raises EmbodimentError on anything that is not one clean tree."""
    try:
        robot = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise EmbodimentError(source, "xml", str(error), "well-formed XML") from None
    if robot.tag != "robot":
        raise EmbodimentError(source, "xml", robot.tag, "the root element <robot>")
    links = _unique((_attribute(e, "name", source, "link") for e in robot.findall("link")), source, "link")
    joints = [_joint(e, source) for e in robot.findall("joint")]
    _unique((j.name for j in joints), source, "joint")
    _check_ends(joints, links, source)
    _check_mimics(joints, source)
    root, ordered = _sorted(joints, links, source)
    return Tree(robot.get("name", ""), root, links, ordered)


def without_geometry(text: str) -> str:
    """Return the URDF reduced to its kinematics, for libraries that know fewer shapes than URDF 1.2 has."""
    robot = ElementTree.fromstring(text)
    robot.attrib.pop("version", None)
    for link in robot.findall("link"):
        for element in (*link.findall("visual"), *link.findall("collision")):
            link.remove(element)
    return ElementTree.tostring(robot, encoding="unicode")


def _attribute(element: ElementTree.Element, key: str, source: str, field: str) -> str:
    value = element.get(key)
    if not value:
        raise EmbodimentError(source, field, element.attrib, f"attribute '{key}' of <{element.tag}>")
    return value


def _unique(names: Iterable[str], source: str, what: str) -> tuple[str, ...]:
    seen: dict[str, None] = {}
    for name in names:
        if name in seen:
            raise EmbodimentError(source, f"{what} {name}", "two of that name", "names used once")
        seen[name] = None
    return tuple(seen)


def _numbers(value: str | None, count: int, default: str, source: str, field: str) -> np.ndarray:
    try:
        numbers = np.array([float(word) for word in (default if value is None else value).split()])
    except ValueError:
        raise EmbodimentError(source, field, value, f"{count} numbers") from None
    if numbers.shape != (count,) or not np.isfinite(numbers).all():
        raise EmbodimentError(source, field, value, f"{count} finite numbers")
    return numbers


def _joint(element: ElementTree.Element, source: str) -> Joint:
    name = _attribute(element, "name", source, "joint")
    field = f"joint {name}"
    kind = element.get("type", "")
    if kind not in (*MOVING, "fixed"):
        raise EmbodimentError(source, f"{field}.type", kind, "revolute, prismatic or fixed")
    parent, child = (_end(element, end, source, field) for end in ("parent", "child"))
    origin = element.find("origin")
    attributes = {} if origin is None else origin.attrib
    xyz, rpy = (_numbers(attributes.get(k), 3, "0 0 0", source, f"{field}.origin.{k}") for k in ("xyz", "rpy"))
    if kind == "fixed":
        return Joint(name, kind, parent, child, pose(xyz, rpy), np.zeros(3))
    lower, upper = _limits(element, source, field)
    axis, mimic = _axis(element, source, field), _mimic(element, source, field)
    return Joint(name, kind, parent, child, pose(xyz, rpy), axis, lower, upper, mimic)


def _end(element: ElementTree.Element, end: str, source: str, field: str) -> str:
    found = element.find(end)
    if found is None:
        raise EmbodimentError(source, field, None, f"an element <{end} link=...>")
    return _attribute(found, "link", source, f"{field}.{end}")


def _axis(element: ElementTree.Element, source: str, field: str) -> np.ndarray:
    found = element.find("axis")
    axis = _numbers(None if found is None else found.get("xyz"), 3, "1 0 0", source, f"{field}.axis")
    length = float(np.linalg.norm(axis))
    if length < 1e-9:
        raise EmbodimentError(source, f"{field}.axis", axis.tolist(), "a vector that is not zero")
    return axis / length


def _limits(element: ElementTree.Element, source: str, field: str) -> tuple[float, float]:
    limit = element.find("limit")
    if limit is None or limit.get("lower") is None or limit.get("upper") is None:
        found = None if limit is None else limit.attrib
        raise EmbodimentError(source, f"{field}.limit", found, "<limit lower=... upper=...>")
    lower, upper = (float(_numbers(limit.get(k), 1, "", source, f"{field}.limit.{k}")[0]) for k in ("lower", "upper"))
    if not lower < upper:
        raise EmbodimentError(source, f"{field}.limit", [lower, upper], "lower < upper")
    return lower, upper


def _mimic(element: ElementTree.Element, source: str, field: str) -> Mimic | None:
    found = element.find("mimic")
    if found is None:
        return None
    values = {
        key: float(_numbers(found.get(key), 1, default, source, f"{field}.mimic.{key}")[0])
        for key, default in (("multiplier", "1"), ("offset", "0"))
    }
    if math.isclose(values["multiplier"], 0.0, abs_tol=1e-9):
        raise EmbodimentError(source, f"{field}.mimic.multiplier", 0.0, "a multiplier that is not zero")
    return Mimic(_attribute(found, "joint", source, f"{field}.mimic"), values["multiplier"], values["offset"])


def _check_ends(joints: list[Joint], links: tuple[str, ...], source: str) -> None:
    children: set[str] = set()
    for joint in joints:
        for end, link in (("parent", joint.parent), ("child", joint.child)):
            if link not in links:
                raise EmbodimentError(source, f"joint {joint.name}.{end}", link, f"one of the links {', '.join(links)}")
        if joint.child in children:
            raise EmbodimentError(source, f"joint {joint.name}.child", joint.child, "a link that is no other's child")
        children.add(joint.child)


def _check_mimics(joints: list[Joint], source: str) -> None:
    moving = {joint.name: joint for joint in joints if joint.kind in MOVING}
    for joint in joints:
        if joint.mimic is None:
            continue
        field, leader = f"joint {joint.name}.mimic", moving.get(joint.mimic.source)
        if leader is None:
            raise EmbodimentError(source, field, joint.mimic.source, "the name of a joint that moves")
        if leader.mimic is not None:
            raise EmbodimentError(source, field, leader.name, "an actuated joint, not one that itself mimics")


def _sorted(joints: list[Joint], links: tuple[str, ...], source: str) -> tuple[str, tuple[Joint, ...]]:
    """Depth-first from the one root; whatever is not reached hangs on a cycle."""
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
