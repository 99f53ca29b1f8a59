"""The human hand's 21 landmarks, and joints found again from landmarks of any size in any pose."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import embodiments
from embodiments import EmbodimentError
from embodiments.landmarks import LANDMARKS, fit, points_and_jacobian

TIPS = {finger: LANDMARKS.index(f"{finger}_tip") for finger in embodiments.FINGERS}
TIP_ROWS = list(TIPS.values())


@pytest.fixture(scope="module")
def human() -> embodiments.Embodiment:
    return embodiments.load("human")


def random_poses(hand: embodiments.Embodiment, count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(hand.lower, hand.upper, (count, len(hand.joints)))


def landmarks(hand: embodiments.Embodiment, q: np.ndarray) -> np.ndarray:
    """The landmarks (..., 21, 3) in the hand's root frame (m) at joints `q` (..., n)."""
    return hand.kinematics.forward(q, LANDMARKS)[..., :3, 3]


def rotations(count: int, rng: np.random.Generator) -> np.ndarray:
    matrices = np.linalg.qr(rng.normal(size=(count, 3, 3)))[0]
    return matrices * np.sign(np.linalg.det(matrices))[:, None, None]


def moved(points: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Points of each pose turned, scaled by .6 to 1.5 and shifted, and those scales."""
    rng = np.random.default_rng(seed)
    scale = rng.uniform(0.6, 1.5, len(points))
    turned = points @ np.swapaxes(rotations(len(points), rng), 1, 2)
    return scale[:, None, None] * turned + rng.normal(size=(len(points), 1, 3)), scale


def test_landmarks_come_in_the_order_of_hand_trackers():
    assert len(LANDMARKS) == 21
    assert LANDMARKS[:6] == ("wrist", "thumb_cmc", "thumb_mcp", "thumb_ip", "thumb_tip", "index_mcp")
    assert [LANDMARKS[row] for row in TIP_ROWS] == [f"{f}_tip" for f in embodiments.FINGERS]


def test_tips_among_the_landmarks_are_the_hands_tips(human):
    q = random_poses(human, 50, 0)
    np.testing.assert_allclose(landmarks(human, q)[:, TIP_ROWS], human.kinematics.tip_positions(q), atol=1e-12)


def test_an_adult_hand_has_adult_bones(human):
    points = landmarks(human, np.zeros(len(human.joints)))
    assert np.linalg.norm(points[LANDMARKS.index("middle_tip")]) == pytest.approx(0.19, abs=0.005)
    for finger, row in TIPS.items():
        proximal, middle, distal = np.linalg.norm(np.diff(points[row - 3 : row + 1], axis=0), axis=-1)
        assert proximal > middle > distal > 0.015, finger


def test_an_open_right_hand_follows_the_flanges_axes(human):
    points = landmarks(human, human.postures["open"])
    fingers = points[TIP_ROWS[1:]] - points[[row - 3 for row in TIP_ROWS[1:]]]
    assert (fingers[:, 2] > 0.9 * np.linalg.norm(fingers, axis=-1)).all()
    assert (np.diff(points[TIP_ROWS, 0]) > 0).all(), "thumb, index .. little from -x to +x"
    assert points[TIP_ROWS[0], 1] > 0.02, "the thumb stands before the palm"


def test_flexing_a_finger_brings_its_tip_over_the_palm(human):
    for finger in embodiments.FINGERS[1:]:
        q = np.zeros(len(human.joints))
        q[human.joints.index(f"{finger}_mcp_flexion")] = 1.0
        change = landmarks(human, q)[TIPS[finger]] - landmarks(human, 0 * q)[TIPS[finger]]
        assert change[1] > 0.05


def test_the_jacobian_is_the_difference_quotient(human):
    q, step = random_poses(human, 5, 1), 1e-6
    _, jacobian = points_and_jacobian(human, q, LANDMARKS)
    for joint, unit in enumerate(np.eye(q.shape[1])):
        quotient = (landmarks(human, q + step * unit) - landmarks(human, q - step * unit)) / (2 * step)
        np.testing.assert_allclose(jacobian[..., joint], quotient, atol=1e-8)


@given(seed=st.integers(0, 2**32 - 1), side=st.sampled_from(embodiments.SIDES))
@settings(max_examples=8, deadline=None, derandomize=True)
def test_joints_are_recovered_from_landmarks_of_any_size_in_any_pose(seed, side):
    hand = embodiments.load("human", side)
    expected = landmarks(hand, random_poses(hand, 60, seed))
    measured, scale = moved(expected, seed)
    joints, residual = fit(hand, measured)
    tips = np.linalg.norm(landmarks(hand, joints) - expected, axis=-1)[:, TIP_ROWS]
    assert tips.max() < 1e-3
    assert (residual < 1e-3 * scale).all()


def test_noise_of_a_tracker_stays_noise_and_is_reported(human):
    rng = np.random.default_rng(3)
    expected = landmarks(human, random_poses(human, 200, 3))
    joints, residual = fit(human, expected + rng.normal(size=expected.shape) * 0.003)
    error = np.linalg.norm(landmarks(human, joints) - expected, axis=-1)
    assert error.mean() < 0.0045
    assert 0.002 < residual.mean() < 0.006


@pytest.mark.parametrize("distortion", ["noise", "flat", "left hand", "huge"])
def test_joints_of_points_no_hand_can_take_are_finite_and_within_limits(human, distortion):
    rng = np.random.default_rng(4)
    points = landmarks(human, random_poses(human, 40, 4))
    points = {
        "noise": rng.normal(size=points.shape),
        "flat": points * [1, 1, 0],
        "left hand": points * [1, -1, 1],
        "huge": 1e6 * points,
    }[distortion]
    joints, residual = fit(human, points)
    assert np.isfinite(joints).all() and np.isfinite(residual).all()
    assert (joints >= human.lower).all() and (joints <= human.upper).all()


def test_no_poses_give_no_joints(human):
    joints, residual = fit(human, np.zeros((0, 21, 3)))
    assert joints.shape == (0, len(human.joints)) and residual.shape == (0,)


def test_points_that_are_no_landmarks_are_refused(human):
    good = landmarks(human, random_poses(human, 3, 5))
    with pytest.raises(ValueError, match=r"shape \(3, 20, 3\), expected \(M, 21, 3\)"):
        fit(human, good[:, :20])
    with pytest.raises(ValueError, match=r"expected \(M, 21, 3\)"):
        fit(human, good[0])
    broken = good.copy()
    broken[1, 4, 2] = np.nan
    with pytest.raises(ValueError, match="pose 1 are not finite"):
        fit(human, broken)
    broken[1] = 0.5
    with pytest.raises(ValueError, match="pose 1 are one point"):
        fit(human, broken)


def test_a_hand_without_landmarks_is_refused():
    with pytest.raises(EmbodimentError, match=r"xhand: links: .*each of the 21 landmarks"):
        fit(embodiments.load("xhand"), np.zeros((1, 21, 3)))
