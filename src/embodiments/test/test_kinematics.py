from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import embodiments

ALL = embodiments.names()


def test_mimic_joints_follow_multiplier_offset_and_clamp():
    hand = embodiments.load("inspire")
    names = hand.kinematics.links[1:]
    q = hand.upper.copy()
    positions = dict(zip(names, hand.kinematics.joint_positions(q), strict=True))
    assert positions["thumb_distal"] == pytest.approx(0.4)  # 0.667 * 0.6 = 0.4002, clamped to 0.4
    assert positions["thumb_intermediate"] == pytest.approx(0.8)  # 1.334 * 0.6 = 0.8004, clamped to 0.8
    assert positions["index_intermediate"] == pytest.approx(1.06399 * 1.47 - 0.04545)
    positions = dict(zip(names, hand.kinematics.joint_positions(np.zeros(6)), strict=True))
    assert positions["index_intermediate"] == pytest.approx(-0.04545)


def test_a_mimic_joint_stays_at_its_limit_when_its_leader_moves_on():
    hand = embodiments.load("inspire")
    q = np.zeros((2, 6))
    q[:, 1] = 0.6, 5.0
    thumb = hand.kinematics.joint_positions(q)[:, hand.kinematics.links.index("thumb_distal") - 1]
    np.testing.assert_allclose(thumb, 0.4)


@pytest.mark.parametrize("shape", [(), (1,), (7,), (3, 2), (0,)])
def test_any_batch_shape_gives_the_same_poses(shape):
    robot = embodiments.load("ability")
    q = np.random.default_rng(4).uniform(robot.lower, robot.upper, (*shape, 6))
    poses = robot.kinematics.forward(q, ("index_tip", "base_link"))
    assert poses.shape == (*shape, 2, 4, 4)
    assert robot.kinematics.tip_positions(q).shape == (*shape, 5, 3)
    for index in np.ndindex(shape):
        np.testing.assert_allclose(poses[index], robot.kinematics.forward(q[index], ("index_tip", "base_link")))


@pytest.mark.parametrize("name", ALL)
def test_poses_are_rigid(name):
    robot = embodiments.load(name)
    q = np.random.default_rng(5).uniform(robot.lower, robot.upper, (50, len(robot.joints)))
    rotation = robot.kinematics.forward(q, robot.kinematics.links)[..., :3, :3]
    assert np.abs(rotation @ np.swapaxes(rotation, -1, -2) - np.eye(3)).max() < 1e-12
    assert np.linalg.det(rotation).min() > 0


def test_gripper_tips_are_as_far_apart_as_the_fingers_are_open():
    for name in embodiments.names("gripper"):
        gripper = embodiments.load(name)
        for opening in np.linspace(gripper.lower[0], gripper.upper[0], 5):
            thumb, index = gripper.kinematics.tip_positions([opening])
            assert np.linalg.norm(thumb - index) == pytest.approx(2 * opening)


def test_wrong_joint_count_and_unknown_link_are_named():
    kinematics = embodiments.load("xarm7").kinematics
    with pytest.raises(ValueError, match=r"shape \(6,\), expected \(..., 7\)"):
        kinematics.forward(np.zeros(6), ("link7",))
    with pytest.raises(KeyError, match="no link 'link9'"):
        kinematics.forward(np.zeros(7), ("link9",))


def test_runtime_modules_do_not_import_torch():
    code = "import sys, embodiments, embodiments.inverse_kinematics; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
