"""All right hands have one flange convention: fingers along +z, palm towards +y, index on the -x side, one grasp."""

from __future__ import annotations

import numpy as np
import pytest

import embodiments

HANDS = embodiments.names("hand")


def flange_tips(hand: embodiments.Embodiment, posture: str) -> dict[str, np.ndarray]:
    """Fingertips (3,) by finger in flange axes, m."""
    tips = hand.kinematics.tip_positions(hand.postures[posture])
    return dict(zip(hand.tips, tips @ hand.mount[:3, :3].T + hand.mount[:3, 3], strict=True))


def knuckle(hand: embodiments.Embodiment, finger: str) -> np.ndarray:
    """Where (3,) the first joint of a finger lies in flange axes, m."""
    chain = hand.kinematics.chain
    path = chain.needed([chain.link_index(hand.tips[finger])])
    first = next(link for link in path if chain.multiplier[link - 1] != 0.0)
    pose = hand.kinematics.forward(hand.postures["open"], (chain.links[first],))[0]
    return (hand.mount @ pose)[:3, 3]


@pytest.mark.parametrize("name", HANDS)
def test_open_fingers_point_along_z(name):
    hand = embodiments.load(name)
    for finger, tip in flange_tips(hand, "open").items():
        if finger != "thumb":
            direction = tip - knuckle(hand, finger)
            assert direction[2] > 0.9 * np.linalg.norm(direction), finger


@pytest.mark.parametrize("name", HANDS)
def test_closing_moves_fingertips_and_thumb_towards_each_other(name):
    hand = embodiments.load(name)
    start, half, end = (flange_tips(hand, posture) for posture in ("open", "pregrasp", "grasp"))
    for finger in hand.tips:
        if finger != "thumb":
            assert end[finger][1] - start[finger][1] > 0.03, finger
            assert half[finger][1] > start[finger][1], finger
    assert end["thumb"][2] > start["thumb"][2]
    assert end["thumb"][1] > 0.0


@pytest.mark.parametrize("name", HANDS)
def test_the_index_finger_is_on_the_minus_x_side(name):
    tips = flange_tips(embodiments.load(name), "open")
    across = [tip[0] for finger, tip in tips.items() if finger != "thumb"]
    assert across == sorted(across)
    assert across[-1] - across[0] > 0.03


@pytest.mark.parametrize("name", HANDS)
def test_the_grasp_frame_is_turned_as_in_every_other_hand(name):
    hand, half = embodiments.load(name), np.sqrt(0.5)
    frame = hand.mount @ hand.grasp_frame
    np.testing.assert_allclose(frame[:3, :3], [[0, 0, -1], [half, half, 0], [half, -half, 0]], atol=2e-6)
    assert frame[1, 3] > 0.0  # in front of the palm
    assert 0.05 < frame[2, 3] < flange_tips(hand, "open")["index"][2]
