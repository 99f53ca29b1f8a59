"""Grasps of a floating hand: the frames and postures in the embodiment data hold a can."""

import numpy as np
import pytest

import embodiments
from simulation.grasp_search import DISTURBANCES_M, FloatingHand, search

HANDS = embodiments.names("hand") + embodiments.names("gripper")


@pytest.mark.parametrize("hand", HANDS)
def test_the_shipped_grasp_lifts_the_can_for_all_approach_errors(hand):
    robot = embodiments.load(hand)
    floating = FloatingHand(robot)
    for offset in DISTURBANCES_M:
        trial = floating.attempt(robot.grasp_frame, np.array(offset), dict(robot.postures))
        assert trial.lifted, f"{hand} dropped a can that stood {offset} m off"


def test_a_hand_that_does_not_close_lifts_nothing():
    robot = embodiments.load("inspire")
    postures = dict(robot.postures) | {"grasp": robot.postures["open"]}
    assert FloatingHand(robot).attempt(robot.grasp_frame, np.zeros(2), postures).cost == 1.0


def test_the_search_never_returns_a_worse_frame_than_it_was_given():
    robot = embodiments.load("xarm_gripper")
    given_cost = FloatingHand(robot).score(robot.grasp_frame, dict(robot.postures), DISTURBANCES_M)
    frame, cost = search(robot, tries=3, seed=0)
    assert cost <= given_cost
    np.testing.assert_allclose(frame[:3, :3] @ frame[:3, :3].T, np.eye(3), atol=1e-9)
