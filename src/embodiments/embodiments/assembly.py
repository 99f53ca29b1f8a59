"""All robots of a station as one robot, for programs that know ROS: a URDF, joints and frames with unique names.

A joint or link of a part has the part's name before its own: `left_arm_joint1`, `left_hand_base`. The root is the
station frame; a camera's frame has its name, with z in the direction of view and x to the right of the image.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from contracts.station import Station, View
from contracts.transforms import matrix_rpy, pose
from embodiments.registry import Embodiment, load
from embodiments.urdf_plain import numbers
from embodiments.urdf_xml import parse_robot

ROOT = "station"
# What names a joint, link or material, by element.
_NAMES = {"link": "name", "joint": "name", "material": "name", "parent": "link", "child": "link", "mimic": "joint"}


@dataclass(frozen=True)
class Frame:
    """A frame that is fixed in its parent; `pose` (4, 4) is parent <- frame."""

    name: str
    parent: str
    pose: np.ndarray


@dataclass(frozen=True, eq=False)
class Part:
    """An arm or a hand in the assembly, mounted by its root link on a link with a full name.

    Attributes:
        topic: Where its joint states are, in the station's namespace.
    """

    name: str
    topic: str
    robot: Embodiment
    mount: Frame

    def full(self, name: str) -> str:
        """The unique name of a joint or link."""
        return f"{self.name}_{name}"

    @property
    def joints(self) -> tuple[str, ...]:
        """Unique names of the joints, in the order of the robot's own."""
        return tuple(map(self.full, self.robot.joints))

    @cached_property
    def moving(self) -> np.ndarray:
        """Indices of the joints of the chain that move, mimic joints included."""
        return np.flatnonzero(self.robot.kinematics.chain.multiplier)

    def ends(self, joints: np.ndarray) -> list[tuple[str, str]]:
        """Parent and child link of joints of the chain."""
        chain = self.robot.kinematics.chain
        return [
            (self.full(chain.links[chain.parent[joint + 1]]), self.full(chain.links[joint + 1])) for joint in joints
        ]

    def transforms(self, q: np.ndarray) -> np.ndarray:
        """Poses (M, 4, 4) of the child links of all moving joints in their parents, at joint positions (n,)."""
        return self.robot.kinematics.local(q)[self.moving]

    def fixed(self) -> Iterator[Frame]:
        """The links that do not move in their parents, the root in what it is mounted on first."""
        yield self.mount
        kinematics = self.robot.kinematics
        joints = np.setdiff1d(np.arange(len(kinematics.links) - 1), self.moving)
        poses = kinematics.local(np.zeros(len(kinematics.joints)))
        for joint, (parent, child) in zip(joints, self.ends(joints), strict=True):
            yield Frame(child, parent, poses[joint])


@dataclass(frozen=True, eq=False)
class Assembly:
    """The parts of a station and the frames of its cameras."""

    name: str
    parts: tuple[Part, ...]
    cameras: tuple[Frame, ...]

    def fixed(self) -> list[Frame]:
        """All frames that do not move in their parents."""
        return [frame for part in self.parts for frame in part.fixed()] + list(self.cameras)

    def urdf(self) -> str:
        """The text of one URDF of URDF 1.0: capsules, which that lacks, are cylinders with spheres at their ends."""
        whole = ElementTree.Element("robot", name=self.name)
        ElementTree.SubElement(whole, "link", name=ROOT)
        for part in self.parts:
            whole.extend(list(_elements(part)))
            whole.append(_fixed_joint(part.mount))
        for camera in self.cameras:
            ElementTree.SubElement(whole, "link", name=camera.name)
            whole.append(_fixed_joint(camera))
        return ElementTree.tostring(whole, encoding="unicode")


def assemble(station: Station) -> Assembly:
    """Return the assembly of a station.

    Raises:
        EmbodimentError: A robot is unknown or its files are wrong.
    """
    parts: list[Part] = []
    for side, robots in station.sides.items():
        arm, hand = load(robots.arm.embodiment, side), load(robots.hand.embodiment, side)
        base = Frame(f"{side}_arm_{arm.root}", ROOT, robots.base.matrix())
        flange = Frame(f"{side}_hand_{hand.root}", f"{side}_arm_{arm.flange}", hand.mount)
        parts.append(Part(f"{side}_arm", f"{side}/arm/joint_states", arm, base))
        parts.append(Part(f"{side}_hand", f"{side}/hand/joint_states", hand, flange))
    cameras = (Frame(name, ROOT, optical(camera.pose)) for name, camera in station.cameras.items())
    return Assembly(station.name, tuple(parts), tuple(cameras))


def optical(view: View) -> np.ndarray:
    """The frame (4, 4) of a camera's images in the station frame: x right, y down, z in the direction of view."""
    forward = np.subtract(view.look_at, view.xyz)
    forward /= np.linalg.norm(forward)
    up = np.array([0.0, 0.0, 1.0]) if np.hypot(*forward[:2]) > 1e-6 else np.array([1.0, 0.0, 0.0])
    right = np.cross(forward, up)
    right /= np.linalg.norm(right)
    frame = np.eye(4)
    frame[:3, :3] = np.column_stack([right, np.cross(forward, right), forward])
    frame[:3, 3] = view.xyz
    return frame


def _elements(part: Part) -> Iterator[ElementTree.Element]:
    """The links, joints and materials of a part, with unique names."""
    robot = parse_robot(part.robot.urdf, part.robot.name)
    compiler = robot.find("mujoco/compiler")
    meshes = Path(compiler.get("meshdir", "")) if compiler is not None else Path()
    for element in robot:
        if element.tag not in ("link", "joint", "material"):
            continue
        for each in element.iter():
            if named := each.get(_NAMES.get(each.tag, "")):
                each.set(_NAMES[each.tag], part.full(named))
            if each.tag == "mesh" and (file := meshes / each.get("filename", "")).is_absolute():
                each.set("filename", file.as_uri())
        for kind in ("visual", "collision"):
            for shape in element.findall(kind):
                _split_capsule(element, shape)
        yield element


def _split_capsule(link: ElementTree.Element, shape: ElementTree.Element) -> None:
    """Replace a visual or collision that is a capsule by a cylinder and two spheres."""
    capsule = shape.find("geometry/capsule")
    if capsule is None:
        return
    length, place = float(capsule.get("length", "0")), _origin(shape)
    for kind, offset in (("cylinder", 0.0), ("sphere", length / 2), ("sphere", -length / 2)):
        new = copy.deepcopy(shape)
        _set_origin(new, place @ pose((0, 0, offset)))
        geometry = new.find("geometry")
        assert geometry is not None, "it holds the capsule"
        geometry.clear()
        size = {"radius": capsule.get("radius", "0")}
        ElementTree.SubElement(geometry, kind, size | {"length": numbers([length])} if kind == "cylinder" else size)
        link.append(new)
    link.remove(shape)


def _fixed_joint(frame: Frame) -> ElementTree.Element:
    joint = ElementTree.Element("joint", name=f"{frame.name}_mount", type="fixed")
    ElementTree.SubElement(joint, "parent", link=frame.parent)
    ElementTree.SubElement(joint, "child", link=frame.name)
    _set_origin(joint, frame.pose)
    return joint


def _origin(element: ElementTree.Element) -> np.ndarray:
    origin = element.find("origin")
    xyz, rpy = (("0 0 0" if origin is None else origin.get(key, "0 0 0")).split() for key in ("xyz", "rpy"))
    return pose([float(value) for value in xyz], [float(value) for value in rpy])


def _set_origin(element: ElementTree.Element, place: np.ndarray) -> None:
    origin = element.find("origin")
    if origin is None:
        origin = ElementTree.SubElement(element, "origin")
    origin.set("xyz", numbers(place[:3, 3]))
    origin.set("rpy", numbers(matrix_rpy(place[:3, :3])))
