"""Gives a hand simple shapes: a box for the palm, capsules along its links. No mesh of the original is copied."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np

from contracts.transforms import matrix_rpy
from embodiments.urdf_import.frames import Axes
from embodiments.urdf_import.hand import Hand, base_positions
from embodiments.urdf_import.mass import box_inertial, capsule_inertial, inertial_element
from embodiments.urdf_joint import Joint
from embodiments.urdf_plain import numbers

FINGER_RADIUS_M = 0.009
TIP_RADIUS_M = 0.008
ARM_RADIUS_M = 0.02  # of what is between the flange and the palm
LEAST_LENGTH_M = 0.006
PALM_MARGIN_M = np.array([0.01, 0.0, 0.004])
PALM_BACK_M, PALM_FRONT_M = 0.02, 0.01  # of the fingers' hinges
COMMENT = " Made by ./ws add-hand: kinematics of the original, primitive shapes. Capsules need URDF 1.2. "
COLOURS = {"shell": "0.88 0.88 0.9 1", "dark": "0.22 0.23 0.26 1", "pad": "0.35 0.37 0.42 1"}


def cleaned_urdf(hand: Hand, axes: Axes, name: str) -> str:
    """The URDF to keep, as text: the kinematics unchanged, shapes and missing masses added."""
    robot = ElementTree.Element("robot", name=name, version="1.2")
    robot.append(ElementTree.Comment(COMMENT))
    compiler = ElementTree.SubElement(ElementTree.SubElement(robot, "mujoco"), "compiler")
    compiler.attrib |= {"fusestatic": "false", "discardvisual": "false"}
    for colour, rgba in COLOURS.items():
        material = ElementTree.SubElement(robot, "material", name=colour)
        ElementTree.SubElement(material, "color", rgba=rgba)
    palm, moving = palm_link(hand), {j.child for j in hand.source.tree.joints if j.kind != "fixed"}
    for original in hand.source.kinematics.findall("link"):
        link = ElementTree.SubElement(robot, "link", name=original.get("name", ""))
        link.extend(original.findall("inertial"))
        added = _box(link, hand, axes) if link.get("name") == palm else _capsules(link, hand, moving)
        if link.find("inertial") is None and (added is not None or link.get("name") in moving):
            link.insert(0, inertial_element(*(added or (0.0, np.zeros(3), 0.0))))
    robot.extend(hand.source.kinematics.findall("joint"))
    ElementTree.indent(robot)
    return '<?xml version="1.0"?>\n' + ElementTree.tostring(robot, encoding="unicode") + "\n"


def palm_link(hand: Hand) -> str:
    """The link that carries most fingers."""
    above = {joint.child: joint.parent for joint in hand.source.tree.joints}
    parents = [above[link] for link in hand.bases.values()]
    return max(dict.fromkeys(parents), key=parents.count)


def _capsules(link: ElementTree.Element, hand: Hand, moving: set[str]) -> tuple[float, np.ndarray, float] | None:
    """Capsules from the link's origin to its children; mass, centre and moment of the longest, None without any."""
    name, tips = link.get("name", ""), set(hand.source.tips.values())
    ends = [j for j in hand.source.tree.joints if j.parent == name and _leads_on(hand, j, moving | tips)]
    finger, longest, result = _within_finger(hand, name), 0.0, None
    for joint in ends:
        tip = joint.child in tips and joint.kind == "fixed"
        radius = TIP_RADIUS_M if tip else FINGER_RADIUS_M if finger else ARM_RADIUS_M
        end = joint.origin[:3, 3]
        length = float(np.linalg.norm(end))
        if length < LEAST_LENGTH_M:
            continue
        end = end * max(0.3, 1 - radius / length) if tip else end
        _add(link, _capsule(end, radius), (end / 2, _along(end)), "pad" if tip else "shell")
        if length > longest:
            longest, result = length, capsule_inertial(np.zeros(3), end, radius)
    if result is None and name in tips and name in moving:  # the fingertip is where the last joint is
        _add(link, ElementTree.Element("sphere", radius=f"{FINGER_RADIUS_M}"), (np.zeros(3), np.eye(3)), "pad")
        result = capsule_inertial(np.zeros(3), np.zeros(3), FINGER_RADIUS_M)
    return result


def _box(link: ElementTree.Element, hand: Hand, axes: Axes) -> tuple[float, np.ndarray, float]:
    """The palm: between wrist and finger hinges, as wide as those."""
    bases = base_positions(hand, axes.straight)
    fingers = bases[hand.fingers] @ axes.rotation
    pose = hand.kinematics.forward(axes.straight, (link.get("name", ""),))[0]
    back = min((bases @ axes.rotation)[:, 2].min(), fingers[:, 2].mean() - 0.04, max(0.0, fingers[:, 2].mean() - 0.12))
    low = np.array([fingers[:, 0].min(), fingers[:, 1].mean() - PALM_BACK_M, back]) - PALM_MARGIN_M
    high = np.array([fingers[:, 0].max(), fingers[:, 1].mean() + PALM_FRONT_M, fingers[:, 2].max()]) + PALM_MARGIN_M
    size, middle = high - low, axes.rotation @ ((low + high) / 2)
    centre = pose[:3, :3].T @ (middle - pose[:3, 3])
    box = ElementTree.Element("box", size=numbers(np.round(size, 5)))
    _add(link, box, (centre, pose[:3, :3].T @ axes.rotation), "shell")
    mass, moment = box_inertial(size)
    return mass, centre, moment


def _leads_on(hand: Hand, joint: Joint, wanted: set[str]) -> bool:
    """Whether a joint carries a moving joint or a fingertip."""
    todo = [joint.child]
    while todo:
        link = todo.pop()
        if link in wanted:
            return True
        todo.extend(j.child for j in hand.source.tree.joints if j.parent == link)
    return False


def _within_finger(hand: Hand, link: str) -> bool:
    above = {joint.child: joint.parent for joint in hand.source.tree.joints}
    bases = set(hand.bases.values())
    while link in above and link not in bases:
        link = above[link]
    return link in bases


def _capsule(end: np.ndarray, radius: float) -> ElementTree.Element:
    return ElementTree.Element("capsule", radius=f"{radius:g}", length=f"{np.linalg.norm(end):.5g}")


def _along(vector: np.ndarray) -> np.ndarray:
    """A rotation (3, 3) whose z axis points along `vector`."""
    z = vector / np.linalg.norm(vector)
    x = np.cross(np.eye(3)[np.argmin(np.abs(z))], z)
    x /= np.linalg.norm(x)
    return np.stack((x, np.cross(z, x), z), axis=1)


def _add(
    link: ElementTree.Element, shape: ElementTree.Element, pose: tuple[np.ndarray, np.ndarray], colour: str
) -> None:
    """The same shape to see and to touch."""
    for tag in ("visual", "collision"):
        element = ElementTree.SubElement(link, tag)
        ElementTree.SubElement(
            element, "origin", xyz=f"{numbers(np.round(pose[0], 6))}", rpy=numbers(matrix_rpy(pose[1]))
        )
        ElementTree.SubElement(element, "geometry").append(shape)
        if tag == "visual":
            ElementTree.SubElement(element, "material", name=colour)
