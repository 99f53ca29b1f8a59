"""A station as one robot: unique names, and the same kinematics as those of its arms and hands."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import mujoco
import numpy as np
import pinocchio as pin
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.station import View, load_station, station_file, station_names
from embodiments import names
from embodiments.assembly import ROOT, Assembly, Part, assemble, optical

HANDS = sorted((*names("hand"), *names("gripper")))


def station_with(name: str, hand: str) -> Assembly:
    station = load_station(station_file(name))
    sides = {
        side: parts.model_copy(update={"hand": parts.hand.model_copy(update={"embodiment": hand})})
        for side, parts in station.sides.items()
    }
    return assemble(station.model_copy(update={"sides": sides}))


def posture(part: Part, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(part.robot.lower, part.robot.upper)


def tree(assembly: Assembly, q: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Pose of every frame in the station frame, from the transforms as they are published."""
    parents = {frame.name: (frame.parent, frame.pose) for frame in assembly.fixed()}
    for part in assembly.parts:
        for (parent, child), pose in zip(part.ends(part.moving), part.transforms(q[part.name]), strict=True):
            parents[child] = (parent, pose)
    found = {ROOT: np.eye(4)}

    def place(name: str) -> np.ndarray:
        if name not in found:
            parent, pose = parents[name]
            found[name] = place(parent) @ pose
        return found[name]

    return {name: place(name) for name in (ROOT, *parents)}


@settings(max_examples=12)
@given(hand=st.sampled_from(HANDS), station=st.sampled_from(station_names()), seed=st.integers(0, 2**31))
def test_frames_agree_with_the_kinematics_and_with_pinocchio_of_the_urdf(hand, station, seed):
    assembly = station_with(station, hand)
    q = {part.name: posture(part, seed + n) for n, part in enumerate(assembly.parts)}
    frames = tree(assembly, q)
    for part in assembly.parts:
        links = part.robot.kinematics.links
        own = part.robot.kinematics.forward(q[part.name], links)
        root = frames[part.full(part.robot.root)]
        for link, pose in zip(links, own, strict=True):
            assert frames[part.full(link)] == pytest.approx(root @ pose, abs=1e-9)
    model = pin.buildModelFromXML(assembly.urdf())
    positions = pin.neutral(model)
    for part in assembly.parts:
        tree_joints = part.robot.kinematics.joint_positions(q[part.name])
        for index in part.moving:
            joint = model.getJointId(joint_above(assembly, part.ends([index])[0][1]))
            positions[model.joints[joint].idx_q] = tree_joints[index]
    data = model.createData()
    pin.framesForwardKinematics(model, data, positions)
    for name, pose in frames.items():
        assert data.oMf[model.getFrameId(name)].homogeneous == pytest.approx(pose, abs=1e-8), name


def joint_above(assembly: Assembly, link: str) -> str:
    joints = ElementTree.fromstring(assembly.urdf()).findall("joint")
    return next(
        j.attrib["name"] for j in joints if (child := j.find("child")) is not None and child.get("link") == link
    )


@pytest.mark.parametrize("hand", HANDS)
def test_every_name_is_unique_and_says_its_side_and_part(hand):
    assembly = station_with("dual_xarm7", hand)
    robot = ElementTree.fromstring(assembly.urdf())
    for kind in ("link", "joint", "material"):
        found = Counter(element.attrib["name"] for element in robot.findall(kind))
        assert found and set(found.values()) == {1}
    moving = {j.attrib["name"] for j in robot.findall("joint") if j.get("type") != "fixed" and j.find("mimic") is None}
    assert moving == {name for part in assembly.parts for name in part.joints}
    assert {name.split("_")[0] for name in moving} == {"left", "right"}


def test_the_urdf_has_no_shape_that_urdf_1_0_lacks_and_mujoco_loads_it():
    text = station_with("dual_xarm7", "inspire").urdf()
    kinds = {shape.tag for shape in ElementTree.fromstring(text).iterfind(".//geometry/*")}
    assert kinds <= {"box", "cylinder", "sphere", "mesh"}
    assert mujoco.MjSpec.from_string(text).compile().nq == 2 * (7 + 12)


def test_a_capsule_is_a_cylinder_with_a_sphere_at_each_end():
    assembly = station_with("dual_xarm7", "inspire")
    link = next(e for e in ElementTree.fromstring(assembly.urdf()) if e.get("name") == "left_arm_link1")
    shapes = [(shape.tag, origin.get("xyz")) for shape, origin in zip(*halves(link), strict=True)]
    assert shapes == [("cylinder", "0 0 -0.02"), ("sphere", "0 0 0"), ("sphere", "0 0 -0.04")]


def halves(link: ElementTree.Element) -> tuple[list[ElementTree.Element], list[ElementTree.Element]]:
    return link.findall("visual/geometry/*"), link.findall("visual/origin")


def test_a_mesh_of_an_added_hand_is_found_by_its_absolute_path(tmp_path: Path):
    assembly = station_with("dual_xarm7", "inspire")
    part = assembly.parts[1]
    mesh = '<visual><geometry><mesh filename="palm.stl"/></geometry></visual></link>'
    urdf = part.robot.urdf.replace("<compiler ", f'<compiler meshdir="{tmp_path}" ', 1).replace("</link>", mesh, 1)
    changed = replace(assembly, parts=(assembly.parts[0], replace(part, robot=replace(part.robot, urdf=urdf))))
    assert f'filename="file://{tmp_path}/palm.stl"' in changed.urdf()


def test_a_camera_looks_along_z_with_down_as_y():
    frame = optical(View(xyz=(1.0, 0.0, 1.0), look_at=(0.0, 0.0, 1.0)))
    assert frame[:3, 2] == pytest.approx([-1.0, 0.0, 0.0])
    assert frame[:3, 1] == pytest.approx([0.0, 0.0, -1.0])
    assert np.linalg.det(frame) == pytest.approx(1.0)
    down = optical(View(xyz=(0.0, 0.0, 1.0), look_at=(0.0, 0.0, 0.0)))
    assert down[:3, 1] == pytest.approx([-1.0, 0.0, 0.0])  # the station's x is up in the image
