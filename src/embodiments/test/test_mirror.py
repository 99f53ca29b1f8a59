from __future__ import annotations

import numpy as np
import pytest

import embodiments
from contracts.transforms import inverse
from embodiments import EmbodimentError
from embodiments.mirror import mirror_pose, mirror_urdf

HANDED = (*embodiments.names("hand"), *embodiments.names("gripper"), "g1_arm")


@pytest.mark.parametrize("name", HANDED)
def test_a_left_robot_is_the_mirror_image_at_the_same_joint_values(name):
    right, left = embodiments.load(f"{name}@left"), embodiments.load(name, "left")
    q = np.random.default_rng(2).uniform(right.lower, right.upper, (200, len(right.joints)))
    links = right.kinematics.links
    expected = mirror_pose(right.kinematics.forward(q, links))
    np.testing.assert_allclose(left.kinematics.forward(q, links), expected, atol=1e-12)


@pytest.mark.parametrize("name", HANDED)
def test_both_sides_share_names_order_limits_and_postures(name):
    right, left = (embodiments.load(name, side) for side in ("right", "left"))
    assert left.joints == right.joints
    assert dict(left.tips) == dict(right.tips)
    np.testing.assert_array_equal(left.lower, right.lower)
    np.testing.assert_array_equal(left.upper, right.upper)
    for posture, values in embodiments.load(f"{name}@left").postures.items():
        np.testing.assert_array_equal(left.postures[posture], values)


@pytest.mark.parametrize("name", HANDED)
def test_mounts_and_grasp_frames_are_mirrored_and_stay_rigid(name):
    right, left = (embodiments.load(name, side) for side in ("right", "left"))
    for ours, theirs in ((left.mount, right.mount), (left.grasp_frame, right.grasp_frame)):
        np.testing.assert_allclose(ours, mirror_pose(theirs), atol=1e-12)
        assert np.linalg.det(ours[:3, :3]) == pytest.approx(1.0)
        np.testing.assert_allclose(ours @ inverse(ours), np.eye(4), atol=1e-12)


@pytest.mark.parametrize("name", HANDED)
def test_mirroring_twice_gives_the_same_robot(name):
    robot = embodiments.load(name)
    twice = embodiments.registry.Kinematics(mirror_urdf(mirror_urdf(robot.urdf)), robot.joints, robot.tips)
    q = np.random.default_rng(3).uniform(robot.lower, robot.upper, (20, len(robot.joints)))
    np.testing.assert_allclose(twice.tip_positions(q), robot.kinematics.tip_positions(q), atol=1e-12)


def test_an_arm_without_sides_has_mirrored_home_postures_only():
    right, left = (embodiments.load("xarm7", side) for side in ("right", "left"))
    assert left.urdf == right.urdf
    np.testing.assert_allclose(left.postures["home"], right.postures["home"] * [-1, 1, -1, 1, -1, 1, -1])


def test_prismatic_axes_and_inertias_are_reflected():
    text = (
        '<robot name="r"><link name="a"><inertial><mass value="1"/><inertia ixx="1" ixy="0.1" ixz="0.2" iyy="1" '
        'iyz="0.3" izz="1"/></inertial></link><link name="b"><visual><geometry><mesh filename="m.stl"/></geometry>'
        '</visual></link><joint name="j" type="prismatic"><parent link="a"/><child link="b"/><axis xyz="1 2 3"/>'
        '<limit lower="0" upper="1"/></joint></robot>'
    )
    mirrored = mirror_urdf(text)
    assert 'xyz="1.0 -2.0 3.0"' in mirrored
    assert 'ixy="-0.1"' in mirrored and 'ixz="0.2"' in mirrored and 'iyz="-0.3"' in mirrored
    assert 'scale="1.0 -1.0 1.0"' in mirrored


def test_a_left_hand_that_differs_is_a_right_hand_of_its_own_in_the_mirror():
    left, seen, right = (embodiments.load(*key) for key in (("inspire", "left"), ("inspire@left",), ("inspire",)))
    assert (seen.name, seen.side, seen.joints) == ("inspire@left", "right", right.joints)
    q = np.random.default_rng(0).uniform(right.lower, right.upper, (50, len(right.joints)))
    tips = {hand: hand.kinematics.tip_positions(q) for hand in (left, seen, right)}
    np.testing.assert_allclose(tips[left] * [1, -1, 1], tips[seen], atol=1e-9)
    apart = np.linalg.norm(tips[seen] - tips[right], axis=-1)
    assert apart[:, 0].max() > 0.008 and apart[:, 1:].max() < 1e-12


def test_a_left_hand_that_does_not_differ_is_the_right_hand_in_the_mirror():
    seen, right = embodiments.load("faive@left"), embodiments.load("faive")
    assert seen.urdf == right.urdf


@pytest.mark.parametrize(
    ("name", "message"),
    [("inspire@right", "name: found right, expected left, or no @"), ("toy@left", "name: found toy, expected one of")],
)
def test_what_is_no_left_hand_is_one_line(name, message):
    with pytest.raises(EmbodimentError, match=message):
        embodiments.load(name)
