"""The simulated world: robots as their data define them, addressed by part, moved by position targets."""

import mujoco
import numpy as np
import pytest
from worlds import make_world

import embodiments
from embodiments import EmbodimentError
from embodiments.schema import PREGRASP_SHARE
from simulation.tasks.pick_place import closure

HANDS = embodiments.names("hand") + embodiments.names("gripper")


@pytest.mark.parametrize("hand", HANDS)
def test_fingertips_are_where_the_kinematics_say_on_both_sides(hand):
    world = make_world(hand, hand)
    rng = np.random.default_rng(1)
    for side, robots in world.sides.items():
        arm = robots.arm.postures["home"]
        fingers = rng.uniform(robots.hand.lower, robots.hand.upper)
        world.place(f"{side}/hand", fingers)
        mujoco.mj_forward(world.model, world.data)
        flange = robots.base @ robots.arm.kinematics.forward(arm, [robots.arm.flange])[0]
        for finger, link in robots.hand.tips.items():
            tip = robots.hand.kinematics.forward(fingers, [link])[0]
            expected = (flange @ robots.hand.mount @ tip)[:3, 3]
            found, _ = world.body_pose(f"{side}/hand/{link}")
            assert np.abs(found - expected).max() < 1e-4, f"{side} {finger}"


@pytest.mark.parametrize("name", ["human", "xarm7"])
def test_what_no_station_can_carry_as_a_hand_is_named(name):
    with pytest.raises(EmbodimentError, match=f"'{name}': kind: found .*, expected .*hand or gripper"):
        make_world("inspire", name)


def test_a_robot_reaches_its_target_and_stays_within_its_limits(world):
    arm = world.sides["left"].arm
    target = np.clip(arm.postures["home"] + 0.1, arm.lower, arm.upper)
    world.write("left/arm", target)
    world.step(1000)
    assert np.abs(world.read("left/arm")[0] - target).max() < 5e-3
    world.write("left/arm", np.full(7, 100.0))
    world.step(2000)
    position = world.read("left/arm")[0]
    assert (position <= arm.upper + 0.05).all()


@pytest.mark.parametrize("joint", range(7))
def test_a_moving_joint_commanded_to_stop_comes_to_rest(world, joint):
    world.reset()
    arm = world.parts["left/arm"]
    world.data.qvel[arm.velocity[joint]] = 0.5
    world.write("left/arm", world.read("left/arm")[0])
    world.step(round(0.15 / world.model.opt.timestep))
    assert np.abs(world.read("left/arm")[1]).max() < 0.02


def test_moving_one_part_leaves_the_others_where_they_were(world):
    before = {part: world.read(part)[0] for part in world.parts}
    world.write("right/hand", world.sides["right"].hand.postures["grasp"])
    world.step(500)
    assert closure(world, "right") > 0.8
    for part in ("left/arm", "left/hand", "right/arm"):
        assert np.abs(world.read(part)[0] - before[part]).max() < 2e-3


@pytest.mark.parametrize("hand", HANDS)
def test_closure_means_the_same_on_every_hand(hand):
    world, gripper = make_world(hand, hand), embodiments.load(hand).kind == "gripper"
    for side in ("left", "right"):
        found = []
        for posture in ("open", "pregrasp", "grasp"):
            world.place(f"{side}/hand", world.sides[side].hand.postures[posture])
            found.append(closure(world, side))
        assert found == pytest.approx([0, 0 if gripper else PREGRASP_SHARE, 1], abs=1e-6)


def test_coupled_joints_follow_when_a_hand_is_placed(world):
    world.place("left/hand", world.sides["left"].hand.postures["grasp"])
    mujoco.mj_forward(world.model, world.data)
    index, other = world.data.joint("left/hand/index_proximal_joint"), "left/hand/index_intermediate_joint"
    assert world.data.joint(other).qpos[0] == pytest.approx(1.06399 * index.qpos[0] - 0.04545, abs=1e-6)


def test_the_world_is_the_same_twice():
    runs = []
    for _ in range(2):
        world = make_world()
        world.task.scatter(world, np.random.default_rng(3))
        world.step(200)
        runs.append(world.data.qpos.copy())
    np.testing.assert_array_equal(*runs)
