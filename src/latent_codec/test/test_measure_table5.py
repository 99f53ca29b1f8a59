"""The columns of Table 5 on spaces whose figures are known."""

from __future__ import annotations

import numpy as np
import pytest
from joint_space import JointSpace

import embodiments
from latent_codec.evaluation.encoded import encode
from latent_codec.evaluation.measure import measure_space
from latent_codec.evaluation.table5 import COLUMNS, across, joint_unit, own
from latent_codec.evaluation.vectors import common_fingers, compare, pose_set, thumb_vectors
from latent_codec.training.ablation import self_and_cross_reconstruction
from latent_codec.training.data import poses


@pytest.fixture(scope="module")
def encoded():
    return encode(JointSpace(), 300)


def test_a_space_that_keeps_the_joints_has_no_error_of_its_own(encoded):
    row = own(encoded, "inspire")
    assert row["joint_rmse_rad"] == pytest.approx(0, abs=1e-9)
    assert max(row["tip_rmse_mm"], row["tip_error_mm"]) < 1e-9


def test_a_space_without_the_pose_has_the_spread_of_the_joints():
    hand = embodiments.load("inspire")
    row = own(encode(JointSpace(silent=True), 2000), "inspire")
    spread = np.sqrt(np.mean((hand.upper - hand.lower) ** 2 / 12))
    assert row["joint_rmse_rad"] == pytest.approx(spread, rel=0.05)
    assert row["continuity_tip_mm"] == row["tip_jerk_mm"] == 0


def test_tip_rmse_is_per_coordinate_and_the_tip_error_a_distance():
    space = JointSpace(silent=True)
    hand, measured = embodiments.load("inspire"), encode(space, 100)
    row, joints = own(measured, "inspire"), measured.sets["inspire"].joints
    gap = poses.grasp_tips(hand, joints) - poses.grasp_tips(
        hand, space.decode("inspire", space.encode("inspire", joints))
    )
    assert row["tip_rmse_mm"] == pytest.approx(1e3 * np.sqrt((gap**2).sum(-1).mean() / 3))
    assert row["tip_error_mm"] == pytest.approx(1e3 * np.sqrt((gap**2).sum(-1)).mean())


def test_noise_moves_the_joints_by_its_share_of_the_range(encoded):
    hand = embodiments.load("inspire")
    expected = 0.05 * np.sqrt(2 / np.pi) * np.mean(hand.upper - hand.lower) / 2
    assert own(encoded, "inspire")["continuity_joint_rad"] == pytest.approx(expected, rel=0.08)


def test_relative_continuity_does_not_depend_on_the_latents_scale(encoded):
    small, usual = own(encode(JointSpace(0.1), 300), "inspire"), own(encoded, "inspire")
    assert small["relative_continuity_tip_mm"] == pytest.approx(usual["relative_continuity_tip_mm"], rel=1e-6)
    assert small["continuity_tip_mm"] > 5 * usual["continuity_tip_mm"]


def test_a_straight_line_is_differentiated_per_line(encoded):
    """With a latent that is the joints, a line is one of joints: the acceleration is of the kinematics alone."""
    hand, joints = embodiments.load("inspire"), encoded.sets["inspire"].joints
    row = own(encoded, "inspire")
    share = np.linspace(0, 1, 401)[:, None]
    tips = [
        poses.grasp_tips(hand, (1 - share) * a + share * b) for a, b in zip(joints[:80], joints[80:160], strict=True)
    ]
    second = np.linalg.norm(np.diff(np.array(tips), 2, axis=1), axis=-1).mean() * 400**2
    assert row["tip_acceleration_mm"] == pytest.approx(1e3 * second, rel=0.2)


def test_direction_and_distance_of_known_vectors():
    wanted, found = np.array([[[0.03, 0, 0]]]), np.array([[[0, 0.05, 0]]])
    assert compare(wanted, found).mean() == pytest.approx((90, 20))
    assert compare(wanted, wanted).mean() == pytest.approx((0, 0), abs=1e-5)


def test_a_missing_finger_is_left_out_across_hands():
    five, three = embodiments.load("inspire"), embodiments.load("dex3")
    assert common_fingers(five, three) == ("index", "middle")
    assert common_fingers(five, embodiments.load("xarm_gripper")) == ("index",)
    assert thumb_vectors(three, np.zeros((2, len(three.joints))), ("middle",)).shape == (2, 1, 3)


def test_pinches_are_the_decile_with_the_closest_finger():
    hand = embodiments.load("ability")
    found = pose_set(hand, 500)
    closest = np.linalg.norm(thumb_vectors(hand, found.joints, common_fingers(hand)), axis=-1).min(axis=1)
    assert len(found.pinch) == 50
    assert closest[found.pinch].max() <= np.delete(closest, found.pinch).min()


def test_poses_of_a_hand_do_not_depend_on_the_other_hands():
    first = pose_set(embodiments.load("ability"), 20).joints
    assert np.array_equal(first, encode(JointSpace(), 20).sets["ability"].joints)


def test_the_mean_has_the_ten_columns_first_and_every_pair_its_row():
    report = measure_space(JointSpace(), 60)
    assert tuple(report["mean"])[:10] == COLUMNS
    assert set(report["pairs"]) == {"inspire>ability", "ability>inspire"}
    both = [row["random_distance_mm"] for row in report["pairs"].values()]
    assert report["mean"]["random_distance_mm"] == pytest.approx(np.mean(both))


def test_the_nearest_finger_is_judged_on_pinches(encoded):
    row = across(encoded, "inspire", "ability")
    assert row["nearest_direction_deg"] != row["pinch_direction_deg"] and row["nearest_distance_mm"] > 0


def test_a_prismatic_gripper_is_measured_in_metres():
    assert joint_unit(embodiments.load("xarm_gripper")) == "m"
    assert joint_unit(embodiments.load("xhand")) == "rad"


def test_sr_and_cr_are_mean_squared_sums():
    inspire, ability = embodiments.load("inspire"), embodiments.load("ability")
    paired = {"inspire": inspire.lower[None] + np.zeros((3, 1)), "ability": ability.lower[None] + np.zeros((3, 1))}
    own_errors, cross = self_and_cross_reconstruction(JointSpace(silent=True), paired)
    assert own_errors["inspire"] == pytest.approx((((inspire.upper - inspire.lower) / 2) ** 2).sum())
    assert cross["inspire", "ability"] == pytest.approx((((ability.upper - ability.lower) / 2) ** 2).sum())
