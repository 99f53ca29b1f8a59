"""Our robots move like the models others published: within 0.1 mm and 1e-4 rad on 1000 random poses.

Their forward kinematics come from Pinocchio alone; mimic rules and limits are read from their own files.
The Ability model elsewhere limits the second finger joint to 2.66 rad where ours has 2.94; within the hand's safe
command range, which is what is compared, neither limit is ever reached. One Allegro model has its fingertips at the
centres of their spheres, as ours has, the other at their ends: of that, only the links are compared. The Dex3 is part
of the G1 and has no fingertip frames. The G1's joints turn about positive axes on both its sides; our left arm is the
mirror image of the right one, so joints about x and z turn the other way.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pinocchio as pin
import pytest

import embodiments

DEXI = "robots/hands"
ALLEGRO = {f"link_{i}.0": f"link_{i}.0" for i in range(16)}
ALLEGRO_TIPS = {f"link_{i}.0_tip": f"link_{i}.0_tip" for i in (3, 7, 11, 15)}
DEX3 = [f"right_hand_{n}_link" for n in ("thumb_0", "thumb_1", "thumb_2", "middle_0", "middle_1", "index_0", "index_1")]
# embodiment, distribution, file, root there, {our link: public link}, {our joint: public joint}
MODELS = [
    ("inspire", "dexi-rs", f"{DEXI}/inspire_hand/inspire_hand_right.urdf", "base", None, {}),
    ("ability", "dexi-rs", f"{DEXI}/ability_hand/ability_hand_right.urdf", "base_link", None, {}),
    ("xarm7", "example-robot-data", "xarm_description/urdf/xarm7.urdf", "link_base", {"link_eef": "link_eef"}, {}),
    (
        "franka_gripper",
        "example-robot-data",
        "panda_description/urdf/panda.urdf",
        "panda_hand",
        {"left_finger": "panda_leftfinger", "right_finger": "panda_rightfinger", "tool_center": "panda_hand_tcp"},
        {"finger_joint1": "panda_finger_joint1"},
    ),
    ("allegro", "dexi-rs", f"{DEXI}/allegro_hand/allegro_hand_right.urdf", "base_link", ALLEGRO, {}),
    (
        "allegro",
        "example-robot-data",
        "allegro_hand_description/urdf/allegro_right_hand.urdf",
        "palm_link",
        ALLEGRO | ALLEGRO_TIPS,
        {},
    ),
    (
        "dex3",
        "example-robot-data",
        "g1_description/urdf/g1_29dof_with_hand_rev_1_0.urdf",
        "right_hand_palm_link",
        {link: link for link in DEX3},
        {},
    ),
]


def find(distribution: str, ending: str) -> Path:
    """Return a file of an installed distribution; skips the test where that is not installed."""
    try:
        files = importlib.metadata.files(distribution) or []
    except importlib.metadata.PackageNotFoundError:
        pytest.skip(f"{distribution} is not installed (pip install {distribution})")
    return next(Path(f.locate()) for f in files if str(f).endswith(ending))


class PublicModel:
    """Poses of links of a public URDF for positions given by joint name; mimic rules and limits are the file's own."""

    def __init__(self, path: Path) -> None:
        self._model = pin.buildModelFromUrdf(str(path))
        self._data = self._model.createData()
        joints = ElementTree.parse(path).getroot().findall("joint")
        self._mimic = {j.get("name"): j.find("mimic").attrib for j in joints if j.find("mimic") is not None}

    def poses(self, links: Iterable[str], positions: dict[str, float], root: str) -> np.ndarray:
        """Return the poses (len(links), 4, 4) of `links` in the frame of `root`."""
        q = pin.neutral(self._model)
        for name in self._model.names[1:]:
            q[self._model.joints[self._model.getJointId(name)].idx_q] = self._position(name, positions)
        pin.framesForwardKinematics(self._model, self._data, q)
        frames = np.array([self._data.oMf[self._model.getFrameId(name)].homogeneous for name in (root, *links)])
        return np.linalg.inv(frames[0]) @ frames[1:]

    def _position(self, name: str, positions: dict[str, float]) -> float:
        if name not in self._mimic:
            return positions.get(name, 0.0)
        rule = self._mimic[name]
        value = float(rule.get("multiplier", 1)) * positions[rule["joint"]] + float(rule.get("offset", 0))
        index = self._model.joints[self._model.getJointId(name)].idx_q
        return float(np.clip(value, self._model.lowerPositionLimit[index], self._model.upperPositionLimit[index]))


def angles(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Angles (...) between rotations (..., 3, 3), accurate for tiny ones."""
    difference = np.swapaxes(a, -1, -2) @ b
    return np.linalg.norm(difference - np.swapaxes(difference, -1, -2), axis=(-2, -1)) / np.sqrt(8)


@pytest.mark.parametrize(
    ("name", "distribution", "file", "root", "links", "joints"), MODELS, ids=[f"{m[0]}-{m[1]}" for m in MODELS]
)
def test_links_are_where_the_public_model_has_them(name, distribution, file, root, links, joints):
    robot = embodiments.load(name)
    public = PublicModel(find(distribution, file))
    links = links or {tip: tip for tip in robot.tips.values()}
    samples = np.random.default_rng(1).uniform(robot.lower, robot.upper, (1000, len(robot.joints)))
    ours = robot.kinematics.forward(samples, tuple(links))
    for q, poses in zip(samples, ours, strict=True):
        positions = {joints.get(joint, joint): value for joint, value in zip(robot.joints, q, strict=True)}
        expected = public.poses(links.values(), positions, root)
        assert np.linalg.norm(poses[:, :3, 3] - expected[:, :3, 3], axis=1).max() < 1e-4
        assert angles(poses[:, :3, :3], expected[:, :3, :3]).max() < 1e-4


# embodiment, distribution, file, root there, {our link: public link}, joints that turn the other way there
LEFT = [
    ("inspire", "dexi-rs", f"{DEXI}/inspire_hand/inspire_hand_left.urdf", "base", None, ()),
    ("ability", "dexi-rs", f"{DEXI}/ability_hand/ability_hand_left.urdf", "base_link", None, ()),
    (
        "allegro",
        "example-robot-data",
        "allegro_hand_description/urdf/allegro_left_hand.urdf",
        "palm_link",
        ALLEGRO_TIPS,
        ("joint_0.0", "joint_4.0", "joint_8.0"),
    ),
]


@pytest.mark.parametrize(("name", "distribution", "file", "root", "links", "turned"), LEFT, ids=[m[0] for m in LEFT])
def test_fingertips_of_left_hands_are_where_the_public_left_model_has_them(
    name, distribution, file, root, links, turned
):
    robot, public = embodiments.load(name, "left"), PublicModel(find(distribution, file))
    links = links or {tip: tip for tip in robot.tips.values()}
    samples = np.random.default_rng(1).uniform(robot.lower, robot.upper, (300, len(robot.joints)))
    ours = robot.kinematics.forward(samples, tuple(links))[..., :3, 3]
    signs = [-1 if joint in turned else 1 for joint in robot.joints]
    theirs = [public.poses(links.values(), dict(zip(robot.joints, signs * q, strict=True)), root) for q in samples]
    assert np.linalg.norm(ours - np.array(theirs)[..., :3, 3], axis=-1).max() < 1e-4


# From the thumb to the other fingertips, mm, of makers' left hands at the joint values of the right hand's postures
# (Assets of DexLatent).
MAKERS_LEFT = [
    ("dexh13", "open", [234.290, 235.396, 240.681]),
    ("dexh13", "pregrasp", [132.052, 133.404, 141.941]),
    ("dexh13", "grasp", [27.193, 28.297, 53.355]),
    ("xhand", "open", [223.168, 222.686, 221.426, 222.008]),
    ("xhand", "pregrasp", [118.480, 112.965, 115.695, 120.813]),
    ("xhand", "grasp", [47.015, 31.098, 27.835, 37.194]),
]


@pytest.mark.parametrize(("name", "posture", "expected"), MAKERS_LEFT)
def test_a_left_hand_has_the_thumb_of_the_makers_left_hand(name, posture, expected):
    hand = embodiments.load(name, "left")
    tips = 1e3 * hand.kinematics.tip_positions(embodiments.load(name).postures[posture])
    np.testing.assert_allclose(np.linalg.norm(tips[1:] - tips[0], axis=-1), expected, atol=0.05)


G1 = "g1_description/urdf/g1_29dof_with_hand_rev_1_0.urdf"


@pytest.mark.parametrize("side", embodiments.SIDES)
def test_an_arm_of_the_g1_with_a_dex3_is_where_the_public_model_has_it(side):
    arm, hand = embodiments.load("g1_arm", side), embodiments.load("dex3", side)
    path = find("example-robot-data", G1)
    public, signs = PublicModel(path), public_signs(arm)
    joints = [joint.removesuffix("_joint") for joint in arm.joints]
    ours, theirs = [f"{joint}_link" for joint in joints], [f"{side}_{joint}_link" for joint in joints]
    for q in np.random.default_rng(4).uniform(arm.lower, arm.upper, (1000, 7)):
        poses = arm.kinematics.forward(q, (*ours, arm.flange))
        poses[-1] = poses[-1] @ hand.mount
        values = {f"{side}_{joint}": value for joint, value in zip(arm.joints, signs * q, strict=True)}
        expected = public.poses([*theirs, f"{side}_hand_palm_link"], values, "torso_link")
        assert np.linalg.norm(poses[:, :3, 3] - expected[:, :3, 3], axis=1).max() < 1e-4
        assert angles(poses[:, :3, :3], expected[:, :3, :3]).max() < 1e-4


@pytest.mark.parametrize("side", embodiments.SIDES)
def test_an_arm_of_the_g1_has_the_limits_of_the_public_model(side):
    arm = embodiments.load("g1_arm", side)
    joints = {j.get("name"): j for j in ElementTree.parse(find("example-robot-data", G1)).getroot().findall("joint")}
    for index, sign in enumerate(public_signs(arm)):
        limit = joints[f"{side}_{arm.joints[index]}"].find("limit")
        public = sorted(sign * float(limit.get(end)) for end in ("lower", "upper"))
        np.testing.assert_allclose([arm.lower[index], arm.upper[index]], public, atol=1e-6)


def test_an_arm_of_the_g1_can_carry_a_hand_at_its_acceleration():
    """In 1000 poses, gravity included, with 1.3 kg held 14 cm in front of the wrist."""
    arm = embodiments.load("g1_arm")
    model = pin.buildModelFromXML(arm.urdf)
    data, effort = model.createData(), model.effortLimit
    model.inertias[7] += pin.Inertia(1.3, np.array([0.14, 0, 0]), 0.002 * np.eye(3))
    torques = []
    for q in np.random.default_rng(5).uniform(arm.lower, arm.upper, (1000, 7)):
        inertia = np.diag(pin.crba(model, data, q))
        torques.append(np.abs(pin.computeGeneralizedGravity(model, data, q)) + inertia * arm.acceleration)
    assert (np.max(torques, axis=0) < 0.8 * effort).all()


def public_signs(arm: embodiments.Embodiment) -> np.ndarray:
    """(7,) public joint value = sign * ours: their axes are positive."""
    joints = ElementTree.fromstring(arm.urdf).findall("joint")
    axes = {joint.get("name"): joint.find("axis").get("xyz") for joint in joints if joint.find("axis") is not None}
    return np.array([np.sign(sum(map(float, axes[joint].split()))) for joint in arm.joints])
