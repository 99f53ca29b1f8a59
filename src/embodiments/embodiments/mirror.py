"""Mirrors right-handed robots into left-handed ones: reflection S = diag(1, -1, 1) across the plane y = 0.

Joint values, names, limits and order stay the same on both sides: a joint origin T becomes S T S, a revolute axis a
becomes -(S a) (a reflection turns rotations round), a prismatic axis a becomes S a.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from xml.etree import ElementTree

import numpy as np

from embodiments.errors import EmbodimentError
from embodiments.schema import PoseData
from embodiments.urdf_xml import parse_robot

_REFLECT = np.diag([1.0, -1.0, 1.0, 1.0])


def mirror_pose(transform: np.ndarray) -> np.ndarray:
    """Return S T S of rigid transforms (..., 4, 4): again rigid, the pose seen in the mirror."""
    return _REFLECT @ transform @ _REFLECT


def mirror_urdf(text: str) -> str:
    """Return the URDF of the mirror image of `text` (already parsed once, so assumed well-formed)."""
    robot = parse_robot(text)
    for origin in robot.iter("origin"):
        _scale(origin, "xyz", (1, -1, 1))
        _scale(origin, "rpy", (-1, 1, -1))
    for joint in robot.findall("joint"):
        signs = (1, -1, 1) if joint.get("type") == "prismatic" else (-1, 1, -1)
        for axis in joint.findall("axis"):
            _scale(axis, "xyz", signs)
    for inertia in robot.iter("inertia"):
        for key in ("ixy", "iyz"):
            inertia.set(key, _number(-float(inertia.get(key, "0"))))
    for mesh in robot.iter("mesh"):
        mesh.set("scale", mesh.get("scale", "1 1 1"))
        _scale(mesh, "scale", (1, -1, 1))
    return ElementTree.tostring(robot, encoding="unicode")


def with_origins(text: str, origins: Mapping[str, PoseData], source: str) -> str:
    """Return a URDF with other origins of these joints.

    Args:
        text: XML, already parsed once, so assumed well-formed.
        origins: Of joints by name, parent link -> joint.
        source: The file that states them, for messages.

    Raises:
        EmbodimentError: There is no such joint.
    """
    robot = parse_robot(text)
    joints = {joint.get("name"): joint for joint in robot.findall("joint")}
    for name, pose in origins.items():
        if name not in joints:
            raise EmbodimentError(source, "left.origins", name, f"one of {', '.join(map(str, joints))}")
        origin = joints[name].find("origin")
        if origin is None:
            origin = ElementTree.SubElement(joints[name], "origin")
        origin.attrib |= {"xyz": " ".join(map(_number, pose.xyz)), "rpy": " ".join(map(_number, pose.rpy))}
    return ElementTree.tostring(robot, encoding="unicode")


def _scale(element: ElementTree.Element, key: str, signs: Sequence[int]) -> None:
    value = element.get(key)
    if value is not None:
        element.set(key, " ".join(_number(s * float(word)) for s, word in zip(signs, value.split(), strict=True)))


def _number(value: float) -> str:
    return repr(value + 0.0)
