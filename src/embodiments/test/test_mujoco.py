"""MuJoCo reads the same robots: links kept, mimic joints as equality constraints, the same fingertips."""

from __future__ import annotations

import numpy as np
import pytest

import embodiments

mujoco = pytest.importorskip("mujoco")

CASES = [(name, side) for name in embodiments.names() for side in embodiments.SIDES]


def compiled(robot: embodiments.Embodiment) -> mujoco.MjModel:
    return mujoco.MjSpec.from_string(robot.urdf).compile()


@pytest.mark.parametrize(("name", "side"), CASES)
def test_mimic_joints_become_equality_constraints(name, side):
    robot = embodiments.load(name, side)
    model, chain = compiled(robot), robot.kinematics.chain
    followers = [j for j in range(len(chain.links) - 1) if np.isfinite(chain.lower[j])]
    assert model.neq == len(followers)
    assert model.nq == len(robot.joints) + len(followers)
    rules = sorted((float(offset), float(multiplier)) for offset, multiplier in model.eq_data[:, :2])
    expected = sorted((chain.offset[j], chain.multiplier[j]) for j in followers)
    np.testing.assert_allclose(rules, expected)


@pytest.mark.parametrize(("name", "side"), CASES)
def test_every_link_is_where_our_kinematics_have_it(name, side):
    robot = embodiments.load(name, side)
    model, kinematics = compiled(robot), robot.kinematics
    data = mujoco.MjData(model)
    q = np.random.default_rng(8).uniform(robot.lower, robot.upper)
    for link, position in zip(kinematics.links[1:], kinematics.joint_positions(q), strict=True):
        body = model.body(link)
        if body.jntnum[0]:
            data.qpos[model.jnt_qposadr[body.jntadr[0]]] = position
    mujoco.mj_kinematics(model, data)
    poses = kinematics.forward(q, kinematics.links)
    for link, expected in zip(kinematics.links, poses, strict=True):
        np.testing.assert_allclose(data.body(link).xpos, expected[:3, 3], atol=1e-6)
        np.testing.assert_allclose(data.body(link).xmat.reshape(3, 3), expected[:3, :3], atol=1e-5)


@pytest.mark.parametrize("name", embodiments.names("hand") + embodiments.names("gripper"))
def test_hands_weigh_what_hands_weigh(name):
    assert 0.4 < compiled(embodiments.load(name)).body_subtreemass[0] < 1.0


@pytest.mark.parametrize("name", embodiments.names("hand"))
def test_grasp_leaves_less_room_than_a_can_and_pregrasp_more(name):
    """Thumb to middle fingertip: a can of 66 mm fits between half-open fingers with room, not between closed ones."""
    hand = embodiments.load(name)
    middle = list(hand.tips).index("middle")
    gaps = {}
    for posture in ("open", "pregrasp", "grasp"):
        tips = hand.kinematics.tip_positions(hand.postures[posture])
        gaps[posture] = float(np.linalg.norm(tips[middle] - tips[0]))
    assert gaps["grasp"] < 0.066 < 0.066 + 0.015 < gaps["pregrasp"] <= gaps["open"]
