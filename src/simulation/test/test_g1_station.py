"""The station of a G1: its arms reach where two xArm7 do, and the scripted demonstrator picks with them."""

import numpy as np
import pytest
from worlds import demonstrate_round, make_world

from embodiments.inverse_kinematics import ArmIK, IKStatus
from simulation.demonstrator import Waypoint, demonstrate
from simulation.trials import Trials
from simulation.world import World

STEP_S = 0.1


def demonstrated(world: World, side: str, seed: int) -> np.ndarray:
    """Grasp-frame poses (H, 4, 4) of a demonstration from home to home."""
    rng = np.random.default_rng(seed)
    world.task.scatter(world, rng)
    robots = world.sides[side]
    home = ArmIK(robots.arm, robots.hand, robots.base).forward(robots.arm.postures["home"])
    start = Waypoint(0.0, home, robots.hand.postures["open"])
    path = demonstrate(world, world.task, side, start, home[:3, 3], rng)
    return np.array([path.sample(time_s)[0] for time_s in np.arange(0.0, path.duration_s, STEP_S)])


def reached(hand: str) -> float:
    """Share of what two xArm7 were shown that the G1 reaches, each pose from its predecessor."""
    shown, here = make_world(hand, hand), make_world(hand, hand, "g1")
    statuses: list[IKStatus] = []
    for side, robots in here.sides.items():
        ik = ArmIK(robots.arm, robots.hand, robots.base)
        for seed in range(8):
            joints = robots.arm.postures["home"]
            for pose in demonstrated(shown, side, seed):
                joints, status = ik.solve(pose, joints)
                statuses.append(status)
    return float(np.mean([status is IKStatus.OK for status in statuses]))


def test_a_g1_reaches_less_with_its_own_hands_than_with_inspire_hands():
    inspire, dex3 = reached("inspire"), reached("dex3")
    assert inspire > 0.97
    assert 0.5 < dex3 < inspire  # as stated in docs/reference/devices/g1.md: the trays are too far out


def test_both_arms_of_a_g1_stand_on_one_torso():
    world = make_world("inspire", "inspire", "g1")
    left, right = (world.sides[side].base for side in ("left", "right"))
    np.testing.assert_array_equal(left, right)


def test_home_is_where_the_xarm7_has_it():
    for side in ("left", "right"):
        homes = []
        for world in (make_world("inspire", "inspire", "g1"), make_world("inspire", "inspire")):
            robots = world.sides[side]
            homes.append(ArmIK(robots.arm, robots.hand, robots.base).forward(robots.arm.postures["home"]))
        np.testing.assert_allclose(homes[0], homes[1], atol=2e-3)


@pytest.mark.parametrize(("hand", "most"), [("inspire", 0), ("dex3", 3)])
def test_the_demonstrator_picks_on_a_g1(hand: str, most: int):
    world = make_world(hand, hand, "g1")
    trials = Trials(world, world.task, np.random.default_rng(5))
    for _ in range(4):
        world.reset()
        demonstrate_round(trials)
        trials.finish()
    assert trials.picks - trials.successes <= most
