"""Our robots move like the models others published: within 0.1 mm and 1e-4 rad on 1000 random poses.

Their forward kinematics come from Pinocchio alone; mimic rules and limits are read from their own files.
The Ability model elsewhere limits the second finger joint to 2.66 rad where ours has 2.94; within the hand's safe
command range, which is what is compared, neither limit is ever reached.
"""

from __future__ import annotations

import importlib.metadata
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pinocchio as pin
import pytest

import embodiments

DEXI = "robots/hands"
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

    def pose(self, link: str, positions: dict[str, float], root: str) -> np.ndarray:
        """Return the (4, 4) pose of `link` in the frame of `root`."""
        q = pin.neutral(self._model)
        for name in self._model.names[1:]:
            q[self._model.joints[self._model.getJointId(name)].idx_q] = self._position(name, positions)
        pin.framesForwardKinematics(self._model, self._data, q)
        frames = [self._data.oMf[self._model.getFrameId(name)].homogeneous for name in (root, link)]
        return np.linalg.inv(frames[0]) @ frames[1]

    def _position(self, name: str, positions: dict[str, float]) -> float:
        if name not in self._mimic:
            return positions.get(name, 0.0)
        rule = self._mimic[name]
        value = float(rule.get("multiplier", 1)) * positions[rule["joint"]] + float(rule.get("offset", 0))
        index = self._model.joints[self._model.getJointId(name)].idx_q
        return float(np.clip(value, self._model.lowerPositionLimit[index], self._model.upperPositionLimit[index]))


def angle(a: np.ndarray, b: np.ndarray) -> float:
    """Angle between two rotations, accurate for tiny ones."""
    difference = a.T @ b
    return float(np.linalg.norm(difference - difference.T) / np.sqrt(8))


@pytest.mark.parametrize(("name", "distribution", "file", "root", "links", "joints"), MODELS)
def test_links_are_where_the_public_model_has_them(name, distribution, file, root, links, joints):
    robot = embodiments.load(name)
    public = PublicModel(find(distribution, file))
    links = links or {tip: tip for tip in robot.tips.values()}
    samples = np.random.default_rng(1).uniform(robot.lower, robot.upper, (1000, len(robot.joints)))
    ours = robot.kinematics.forward(samples, tuple(links))
    for q, poses in zip(samples, ours, strict=True):
        positions = {joints.get(joint, joint): value for joint, value in zip(robot.joints, q, strict=True)}
        for pose, link in zip(poses, links.values(), strict=True):
            expected = public.pose(link, positions, root)
            assert np.linalg.norm(pose[:3, 3] - expected[:3, 3]) < 1e-4
            assert angle(pose[:3, :3], expected[:3, :3]) < 1e-4


def test_the_fingers_of_a_straight_xhand_are_where_its_dimensions_put_them():
    """No model of this hand with a stated licence is published: tips of the straight and the bent hand by addition."""
    xhand = embodiments.load("xhand")
    q = np.zeros(12)
    expected = {"index": (0.0265, 0.0065, -0.0899 - 0.0178 - 0.0558 - 0.0422483), "middle": (0.004, 0.0065, -0.2062483)}
    tips = dict(zip(xhand.tips, xhand.kinematics.tip_positions(q), strict=True))
    for finger, position in expected.items():
        np.testing.assert_allclose(tips[finger], position, atol=1e-9)
    q[xhand.joints.index("mid_joint1")] = np.pi / 2
    tips = dict(zip(xhand.tips, xhand.kinematics.tip_positions(q), strict=True))
    np.testing.assert_allclose(tips["middle"], (0.004, 0.0065 + 0.0558 + 0.0422483, -0.1082), atol=1e-9)
