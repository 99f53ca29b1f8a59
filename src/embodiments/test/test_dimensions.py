"""Hands without a public model to compare with: fingertips of straight and bent hands by adding up dimensions."""

from __future__ import annotations

import numpy as np
import pytest

import embodiments


def tips(hand: embodiments.Embodiment, q: np.ndarray, link: str | None = None) -> dict[str, np.ndarray]:
    """Positions (3,) of the fingertips by finger in the frame of `link`, by default the root."""
    poses = hand.kinematics.forward(q, (link or hand.root, *hand.tips.values()))
    inside = np.linalg.inv(poses[0]) @ poses[1:]
    return dict(zip(hand.tips, inside[:, :3, 3], strict=True))


def bent(hand: embodiments.Embodiment, **positions: float) -> np.ndarray:
    """Joint positions (n,): zero but for those named."""
    q = np.zeros(len(hand.joints))
    for joint, value in positions.items():
        q[hand.joints.index(joint)] = value
    return q


def test_the_fingers_of_a_straight_xhand_are_where_its_dimensions_put_them():
    xhand = embodiments.load("xhand")
    expected = {"index": (0.0265, 0.0065, -0.0899 - 0.0178 - 0.0558 - 0.0422483), "middle": (0.004, 0.0065, -0.2062483)}
    found = tips(xhand, np.zeros(12))
    for finger, position in expected.items():
        np.testing.assert_allclose(found[finger], position, atol=1e-9)
    found = tips(xhand, bent(xhand, mid_joint1=np.pi / 2))
    np.testing.assert_allclose(found["middle"], (0.004, 0.0065 + 0.0558 + 0.0422483, -0.1082), atol=1e-9)


def test_fingertips_of_a_straight_dexh13_match_its_dimensions():
    """Its published numbers are rounded, hence a tolerance of 20 um. Fingers bend from x towards z of the palm."""
    hand = embodiments.load("dexh13")
    found = tips(hand, np.zeros(16), "palm_link")
    for finger, y in (("index", -0.0315), ("middle", 0.0), ("ring", 0.0315)):
        expected = (0.13528 + 0.04 + 0.03 + 0.028, y, 0.0017501 - 0.012)
        np.testing.assert_allclose(found[finger], expected, atol=2e-5)
    found = tips(hand, bent(hand, middle_joint_1=np.pi / 2), "palm_link")
    np.testing.assert_allclose(found["middle"], (0.13528 + 0.012, 0.0, 0.0017501 + 0.098), atol=2e-5)
    found = tips(hand, bent(hand, middle_joint_3=np.pi / 2), "palm_link")
    np.testing.assert_allclose(found["middle"], (0.13528 + 0.07 + 0.012, 0.0, 0.0017501 + 0.028), atol=2e-5)


def test_the_dexh13_has_16_joints_in_the_order_of_its_sdk():
    hand = embodiments.load("dexh13")
    fingers = ("index", "middle", "ring", "thumb")
    assert hand.joints == tuple(f"{finger}_joint_{i}" for finger in fingers for i in range(4))
    assert len(hand.kinematics.links) - 1 == 16 + len(hand.tips) + 2  # no joint follows another


def test_a_rolling_joint_of_the_faive_hand_bends_twice_its_hinge():
    """Segments of the index finger: 18, 31, 12, 23.5 and 9 mm between hinges, 10.3 mm to the tip."""
    hand = embodiments.load("faive")
    links = [f"index_{name}" for name in ("pp_virt", "pp", "mp_virt", "mp", "dp_virt", "dp", "tip")]
    origins = hand.kinematics.forward(np.zeros(11), links)[:, :3, 3]
    segments = np.linalg.norm(np.diff(origins, axis=0), axis=1)
    np.testing.assert_allclose(segments, [0.018, 0.031, 0.012, 0.0235, 0.009, 0.0103], atol=1e-4)
    q = bent(hand, root2index_pp=0.3, index_pp2mp=0.4)
    rotations = hand.kinematics.forward(q, ("index_pp", "index_mp", "index_dp"))[:, :3, :3]
    turned = np.arccos((np.trace(rotations, axis1=1, axis2=2) - 1) / 2)
    np.testing.assert_allclose(turned, [0.6, 0.6 + 0.8, 0.6 + 0.8 + 2 * 0.71 * 0.4], atol=1e-6)


@pytest.mark.parametrize(
    ("finger", "joint", "lengths"),
    [
        ("index", "index", (0.009, 0.039, 0.029, 0.019)),
        ("middle", "middle", (0.009, 0.042, 0.0315, 0.019)),
        ("ring", "ring", (0.009, 0.039, 0.029, 0.019)),
        ("little", "pinky", (0.009, 0.0355, 0.025, 0.019)),
    ],
)
def test_the_fingers_of_the_mimic_hand_are_as_long_as_published(finger, joint, lengths):
    hand = embodiments.load("mimic")
    base = f"{joint}_knuckle"
    np.testing.assert_allclose(tips(hand, np.zeros(16), base)[finger], (0, 0, sum(lengths)), atol=1e-9)
    found = tips(hand, bent(hand, **{f"{joint}_pip": np.pi / 2}), base)[finger]  # the last joint bends as much
    np.testing.assert_allclose(found, (0, lengths[2], lengths[0] + lengths[1] - lengths[3]), atol=1e-9)


def test_the_thumb_of_the_mimic_hand_is_as_long_as_published():
    hand = embodiments.load("mimic")
    thumb = tips(hand, np.zeros(16), "thumb_base")["thumb"]
    assert np.linalg.norm(thumb) == pytest.approx(0.035 + 0.031 + 0.027)


def test_the_pads_of_the_robotiq_gripper_open_to_its_stroke():
    gripper = embodiments.load("robotiq_2f85")
    thumb, index = gripper.kinematics.tip_positions(gripper.upper)
    assert np.linalg.norm(thumb - index) == pytest.approx(0.085)
