"""Reads a URDF of unknown origin and keeps what kinematics needs: one tree, plain joints."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from embodiments.errors import EmbodimentError
from embodiments.mirror import mirror_urdf
from embodiments.transforms import matrix_rpy, rpy_matrix
from embodiments.urdf import Tree, parse
from embodiments.urdf_import.mass import plausible
from embodiments.urdf_joint import MOVING
from embodiments.urdf_xml import parse_robot, read_text

MAX_JOINTS = 200
MAX_TURN_RAD, MAX_TRAVEL_M = 2 * math.pi + 1e-3, 1.0

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


def read_source(path: Path, tips: Tips, frozen: Mapping[str, float] | None = None) -> Source:
    """Read and check a URDF.

    Args:
        path: The file.
        tips: Finger -> link and point in it, m.
        frozen: Joint -> position, rad (m for prismatic joints): joints that become fixed.

    Raises:
        EmbodimentError: The file cannot be used.
    """
    file, notes = str(path), list[str]()
    robot = parse_robot(read_text(path), file)
    notes += _rename_world(robot)
    kinematics = ElementTree.Element("robot", {"name": robot.get("name") or path.stem})
    joints = robot.findall("joint")
    if len(joints) > MAX_JOINTS:
        raise EmbodimentError(file, "joints", len(joints), f"at most {MAX_JOINTS}")
    kinematics.extend([_link(element) for element in robot.findall("link")])
    kinematics.extend([_joint(element, file, notes) for element in joints])
    _check_ranges(parse(ElementTree.tostring(kinematics, encoding="unicode"), file), file)
    _freeze(kinematics, frozen or {}, file)
    named = _add_tips(kinematics, tips, file)
    tree = parse(ElementTree.tostring(kinematics, encoding="unicode"), file)
    order = [element.get("name", "") for element in kinematics.findall("joint")]
    actuated = tuple(name for name in order if name in set(tree.actuated))
    if not actuated:
        raise EmbodimentError(file, "joints", [], "at least one joint that moves")
    return Source(file, tree, kinematics, actuated, _speeds(kinematics), named, notes)


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


def _joint(element: ElementTree.Element, file: str, notes: list[str]) -> ElementTree.Element:
    """The kinematic part of a joint; one that turns without end gets the limits of one turn."""
    name, kind = element.get("name", ""), element.get("type", "")
    if kind in ("floating", "planar"):
        raise EmbodimentError(file, f"joint {name}.type", kind, "revolute, continuous, prismatic or fixed")
    joint = ElementTree.Element(
        "joint", {key: value for key, value in element.attrib.items() if key in ("name", "type")}
    )
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


def _freeze(kinematics: ElementTree.Element, frozen: Mapping[str, float], file: str) -> None:
    joints = {j.name: j for j in parse(ElementTree.tostring(kinematics, encoding="unicode"), file).joints}
    led = {j.mimic.source for j in joints.values() if j.mimic is not None}
    for name, value in frozen.items():
        joint = joints.get(name)
        if joint is None or joint.kind not in MOVING or joint.mimic is not None or name in led:
            raise EmbodimentError(file, "freeze", name, "an actuated joint that no other joint mimics")
        if not joint.lower <= value <= joint.upper:
            raise EmbodimentError(file, f"freeze.{name}", value, f"a position in [{joint.lower}, {joint.upper}]")
        pose = joint.origin @ _motion(joint.kind, joint.axis, value)
        element = next(e for e in kinematics.findall("joint") if e.get("name") == name)
        for child in [e for e in element if e.tag in ("origin", "axis", "limit")]:
            element.remove(child)
        element.set("type", "fixed")
        ElementTree.SubElement(element, "origin", xyz=numbers(pose[:3, 3]), rpy=numbers(matrix_rpy(pose[:3, :3])))


def _motion(kind: str, axis: np.ndarray, value: float) -> np.ndarray:
    pose = np.eye(4)
    if kind == "prismatic":
        pose[:3, 3] = axis * value
        return pose
    helper = np.cross(axis, np.eye(3)[np.argmin(np.abs(axis))])
    basis = np.stack((helper / np.linalg.norm(helper), np.cross(axis, helper) / np.linalg.norm(helper), axis), axis=1)
    pose[:3, :3] = basis @ rpy_matrix((0, 0, value)) @ basis.T
    return pose


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


def _check_ranges(tree: Tree, file: str) -> None:
    for joint in tree.joints:
        bound = MAX_TRAVEL_M if joint.kind == "prismatic" else MAX_TURN_RAD
        if joint.kind in MOVING and max(-joint.lower, joint.upper) > bound:
            unit = "m" if joint.kind == "prismatic" else "rad"
            raise EmbodimentError(
                file, f"joint {joint.name}.limit", [joint.lower, joint.upper], f"limits within {bound:.3g} {unit}"
            )


def _speeds(kinematics: ElementTree.Element) -> dict[str, float]:
    """Velocity limits that are usable numbers, rad/s or m/s."""
    speeds = {}
    for joint in kinematics.findall("joint"):
        limit = joint.find("limit")
        try:
            speed = float("nan" if limit is None else limit.get("velocity", "nan"))
        except ValueError:
            continue
        if math.isfinite(speed) and speed > 0.01:
            speeds[joint.get("name", "")] = speed
    return speeds


def numbers(values: object) -> str:
    """Numbers as an attribute of a URDF, to a tenth of a nanometre."""
    return " ".join(f"{value + 0.0:.10g}" for value in np.asarray(values, dtype=float))
