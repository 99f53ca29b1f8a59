"""Pick and place: the physics alone decides whether a pick has succeeded."""

import mujoco
import numpy as np
import pytest

from simulation.tasks.pick_place import load_task
from simulation.trials import Trials


def put_can(world, side, position):
    joint = world.data.joint(world.task.can(side))
    joint.qpos[:] = [*position, 1, 0, 0, 0]
    joint.qvel[:] = 0
    mujoco.mj_forward(world.model, world.data)


def in_tray(world, side):
    return world.task.tray_centre(side) + np.array([0, 0, world.task.can_half_height_m + 0.003])


def test_an_unknown_task_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"pick_plaice.*pick_place"):
        load_task("pick_plaice")


def test_starts_cover_a_square_of_at_least_twelve_centimetres_a_side(world):
    rng = np.random.default_rng(0)
    starts = {"left": [], "right": []}
    for _ in range(300):
        world.task.scatter(world, rng)
        for side, found in starts.items():
            found.append(world.body_pose(world.task.can(side))[0][:2])
    for found in starts.values():
        assert (np.ptp(found, axis=0) > 0.115).all()


def test_a_can_at_rest_in_the_tray_with_the_hand_away_is_a_success(world):
    put_can(world, "left", in_tray(world, "left"))
    world.step(200)
    assert world.task.succeeded(world, "left")
    assert not world.task.succeeded(world, "right")


def test_a_can_that_still_moves_is_no_success(world):
    put_can(world, "left", in_tray(world, "left"))
    world.data.joint(world.task.can("left")).qvel[0] = 0.3
    assert not world.task.succeeded(world, "left")


def test_a_can_beside_the_tray_is_no_success(world):
    beside = in_tray(world, "left") + np.array([0, 1.4 * world.task.tray_half_m, 0])
    put_can(world, "left", beside)
    world.step(200)
    assert not world.task.succeeded(world, "left")


def test_a_can_held_above_the_tray_is_no_success(world):
    put_can(world, "left", in_tray(world, "left") + np.array([0, 0, 0.05]))
    assert not world.task.succeeded(world, "left")


def test_a_can_let_go_askew_does_not_roll_on_its_rim_for_ever(world):
    tilt = np.radians(13)
    joint = world.data.joint(world.task.can("left"))
    lowest = world.task.can_radius_m * np.sin(tilt) + world.task.can_half_height_m * np.cos(tilt)
    joint.qpos[:] = [*world.task.tray_centre("left")[:2], lowest + 0.002, np.cos(tilt / 2), np.sin(tilt / 2), 0, 0]
    joint.qvel[:] = [0.1, 0.1, 0, -1.5, 2, 0.4]
    world.step(round(4.0 / world.model.opt.timestep))
    assert world.task.succeeded(world, "left")


def test_a_closed_hand_is_no_success(world):
    put_can(world, "left", in_tray(world, "left"))
    world.place("left/hand", world.sides["left"].hand.postures["grasp"])
    world.step(200)
    assert not world.task.succeeded(world, "left")


def test_a_success_has_to_last_before_it_counts(world):
    trials = Trials(world, world.task, np.random.default_rng(0))
    trials.begin()
    put_can(world, "left", in_tray(world, "left"))
    world.step(200)
    for _ in range(4):
        trials.update()
    assert not trials.done("left")
    trials.update()
    assert trials.done("left") and not trials.done("right")
    assert trials.finish() == {"left": True, "right": False}
    assert (trials.picks, trials.successes) == (2, 1)


def test_after_a_failure_the_next_round_waits_until_the_arms_are_home(world):
    trials = Trials(world, world.task, np.random.default_rng(0))
    trials.begin()
    away = world.sides["left"].arm.postures["home"] + 0.5
    world.place("left/arm", away)
    mujoco.mj_forward(world.model, world.data)
    world.data.time += world.task.time_limit_s + 0.01
    trials.advance()
    mujoco.mj_forward(world.model, world.data)
    assert trials.picks == 2
    trials.advance()
    assert np.abs(world.body_pose(world.task.can("left"))[0][:2] - world.task.tray_centre("left")[:2]).max() < 1e-3
    world.place("left/arm", world.sides["left"].arm.postures["home"])
    mujoco.mj_forward(world.model, world.data)
    trials.advance()
    assert trials.elapsed_s == 0.0
    assert abs(world.body_pose(world.task.can("left"))[0][1] - world.task.start_xy[1]) < 0.07


def test_an_arm_that_never_comes_home_does_not_stop_the_rounds(world):
    trials = Trials(world, world.task, np.random.default_rng(0))
    trials.begin()
    world.place("left/arm", world.sides["left"].arm.postures["home"] + 0.5)
    mujoco.mj_forward(world.model, world.data)
    for _ in range(3):
        world.data.time += world.task.time_limit_s
        trials.advance()
    assert trials.elapsed_s == 0.0


def test_a_round_without_motion_fails_at_the_time_limit(world):
    trials = Trials(world, world.task, np.random.default_rng(0))
    trials.begin()
    assert not trials.update()
    world.data.time += world.task.time_limit_s + 0.01
    assert trials.update()
    assert trials.finish() == {"left": False, "right": False}
