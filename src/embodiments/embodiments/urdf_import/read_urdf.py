"""Reads a URDF of unknown origin and keeps what kinematics needs: one tree, plain joints."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from embodiments.checks import check_ranges
from embodiments.errors import EmbodimentError
from embodiments.mirror import mirror_urdf
from embodiments.urdf import Tree, parse
from embodiments.urdf_import.mass import plausible
from embodiments.urdf_joint import read_joint
from embodiments.urdf_plain import make_plain, numbers
from embodiments.urdf_xml import parse_robot, read_text

Tips = Mapping[str, tuple[str, tuple[float, float, float]]]  # finger -> link and point in it, m


@dataclass(frozen=True, eq=False)
class Source:
    """A URDF that has been read: its tree, what was kept of its XML (links with their masses, joints), and notes.

    `actuated` are the joints to command in the order of the file; `speeds` what the file says of their velocity limits.
    """

    file: str
    tree: Tree
    kinematics: ElementTree.Element
    actuated: tuple[str, ...]
    speeds: Mapping[str, float]
    tips: Mapping[str, str]
    notes: list[str] = field(default_factory=list)


def read_source(path: Path, tips: Tips, frozen: Mapping[str, float | None] | None = None) -> Source:
    """Read and check a URDF.

    Args:
        path: The file.
        tips: Finger -> link and point in it, m.
        frozen: Joint -> position, rad (m for prismatic joints): joints that become fixed; None: at zero, or the limit
            nearest to it.

    Raises:
        EmbodimentError: The file cannot be used.
    """
    file, notes = str(path), list[str]()
    robot = parse_robot(read_text(path), file)
    notes += _rename_world(robot)
    kinematics = ElementTree.Element("robot", {"name": robot.get("name") or path.stem})
    kinematics.extend([_link(element) for element in robot.findall("link")])
    kinematics.extend([_joint(element, file, notes, frozen or {}) for element in robot.findall("joint")])
    check_ranges(parse(ElementTree.tostring(kinematics, encoding="unicode"), file), "hand", file)
    _freeze(kinematics, frozen or {}, file)
    make_plain(kinematics, file)
    named = _add_tips(kinematics, tips, file)
    tree = parse(ElementTree.tostring(kinematics, encoding="unicode"), file)
    order = [element.get("name", "") for element in kinematics.findall("joint")]
    actuated = tuple(name for name in order if name in set(tree.actuated))
    if not actuated:
        raise EmbodimentError(file, "joints", [], "at least one joint that moves")
    return Source(
        file, tree, kinematics, actuated, {j.name: j.velocity for j in tree.joints if j.velocity}, named, notes
    )


def mirrored(source: Source) -> Source:
    """The mirror image: a left hand as the right hand that is kept of every robot."""
    text = mirror_urdf(ElementTree.tostring(source.kinematics, encoding="unicode"))
    return replace(source, kinematics=parse_robot(text), tree=parse(text, source.file))


def _rename_world(robot: ElementTree.Element) -> list[str]:
    """Rename a link called "world", a name that simulators reserve; returns notes."""
    ends = [end for joint in robot.findall("joint") for end in (*joint.findall("parent"), *joint.findall("child"))]
    for end in ends:
        if end.get("link") == "world":
            end.set("link", "hand_root")
    worlds = [link for link in robot.findall("link") if link.get("name") == "world"]
    for link in worlds:
        link.set("name", "hand_root")
    return ["link world is called hand_root here"] if worlds else []


def _link(element: ElementTree.Element) -> ElementTree.Element:
    """A link without its shapes; a mass that cannot be is left out, too."""
    link = ElementTree.Element("link", {key: value for key, value in element.attrib.items() if key == "name"})
    inertial = element.find("inertial")
    if inertial is not None and plausible(inertial):
        link.append(inertial)
    return link


def _joint(element: ElementTree.Element, file: str, notes: list[str], frozen: Collection[str]) -> ElementTree.Element:
    """The kinematic part of a joint; one that turns without end gets the limits of one turn."""
    name, kind = element.get("name", ""), element.get("type", "")
    if kind in ("floating", "planar"):
        if name not in frozen:
            expected = "revolute, continuous, prismatic or fixed, which --freeze makes it"
            raise EmbodimentError(file, f"joint {name}.type", kind, expected)
        kind = "fixed"
    joint = ElementTree.Element("joint", {"name": name, "type": kind})
    for tag in ("parent", "child", "origin", "axis", "limit", "mimic"):
        found = element.find(tag)
        if found is not None and not (kind == "fixed" and tag in ("axis", "limit", "mimic")):
            ElementTree.SubElement(joint, tag, dict(found.attrib))
    if kind == "continuous":
        joint.set("type", "revolute")
        limit = joint.find("limit")
        limit = ElementTree.SubElement(joint, "limit") if limit is None else limit
        limit.attrib |= {"lower": repr(-math.pi), "upper": repr(math.pi)}
        notes.append(f"joint {name} turns without end: limited to -pi .. pi")
    return joint


def _freeze(kinematics: ElementTree.Element, frozen: Mapping[str, float | None], file: str) -> None:
    """Lock joints: with equal limits, they and what mimics them become fixed (see `urdf_plain`)."""
    elements = {element.get("name", ""): element for element in kinematics.findall("joint")}
    for name, value in frozen.items():
        if value is None and name in elements and elements[name].get("type") == "fixed":
            continue
        limit = None if name not in elements else elements[name].find("limit")
        if limit is None or elements[name].find("mimic") is not None:
            raise EmbodimentError(file, "freeze", name, "an actuated joint")
        joint = read_joint(elements[name], file)
        value = float(np.clip(0.0, joint.lower, joint.upper)) if value is None else value
        if not joint.lower <= value <= joint.upper:
            raise EmbodimentError(file, f"freeze.{name}", value, f"a position in [{joint.lower}, {joint.upper}]")
        limit.attrib |= {"lower": repr(value), "upper": repr(value)}


def _add_tips(kinematics: ElementTree.Element, tips: Tips, file: str) -> dict[str, str]:
    """Names of the fingertip links; a point given in a link becomes a link of its own."""
    links = {element.get("name", "") for element in kinematics.findall("link")}
    named: dict[str, str] = {}
    for finger, (link, point) in tips.items():
        if link not in links:
            raise EmbodimentError(file, f"tips.{finger}", link, f"one of the links {', '.join(sorted(links))}")
        name = link
        if any(point):
            name = f"{finger}_tip" if f"{finger}_tip" not in links else f"{finger}_tip_point"
            ElementTree.SubElement(kinematics, "link", name=name)
            joint = ElementTree.SubElement(kinematics, "joint", name=f"{name}_joint", type="fixed")
            ElementTree.SubElement(joint, "parent", link=link)
            ElementTree.SubElement(joint, "child", link=name)
            ElementTree.SubElement(joint, "origin", xyz=numbers(point), rpy="0 0 0")
        if name in named.values():
            raise EmbodimentError(file, f"tips.{finger}", link, "a link that is no other finger's tip")
        named[finger] = name
    return named
