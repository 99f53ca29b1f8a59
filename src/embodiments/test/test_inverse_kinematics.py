"""Inverse kinematics: what it returns is always finite and within limits, and right where the target can be reached."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import embodiments
from contracts.transforms import inverse, pose
from embodiments.inverse_kinematics import ArmIK, IKStatus

BASE = pose((0.1, -0.4, 0.05), (0, 0, 0.3))
HANDED = embodiments.names("hand") + embodiments.names("gripper")
SOLVERS = {
    (hand, side): ArmIK(embodiments.load("xarm7", side), embodiments.load(hand, side), BASE)
    for hand in HANDED
    for side in embodiments.SIDES
}
ARMS = {side: embodiments.load("xarm7", side) for side in embodiments.SIDES}
solver = st.sampled_from(sorted(SOLVERS))


def vector(size: int, bound: float) -> st.SearchStrategy[np.ndarray]:
    return st.lists(st.floats(-bound, bound), min_size=size, max_size=size).map(np.array)


def distance(a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    """Distance in m and angle in rad between two poses."""
    turn = (a[:3, :3].T @ b[:3, :3]).trace()
    return float(np.linalg.norm(a[:3, 3] - b[:3, 3])), float(np.arccos(np.clip((turn - 1) / 2, -1, 1)))


def within_limits(q: np.ndarray, arm: embodiments.Embodiment) -> bool:
    return bool(np.isfinite(q).all() and (q >= arm.lower).all() and (q <= arm.upper).all())


@settings(max_examples=60)
@given(key=solver, offset=vector(7, 0.5))
def test_reachable_targets_are_reached_from_home(key, offset):
    arm, ik = ARMS[key[1]], SOLVERS[key]
    home = arm.postures["home"]
    target = ik.forward(np.clip(home + offset, arm.lower + 0.05, arm.upper - 0.05))
    q, status = ik.solve(target, home, iterations=100)
    assert within_limits(q, arm)
    metres, radians = distance(ik.forward(q), target)
    assert status is not IKStatus.OK or (metres < 1e-3 and radians < 1e-2)
    if np.abs(offset).max() < 0.35:
        assert status is IKStatus.OK


@settings(max_examples=60)
@given(key=solver, xyz=vector(3, 3.0), rpy=vector(3, 3.2), seed=vector(7, 8.0))
def test_any_target_and_seed_end_within_limits_with_a_true_status(key, xyz, rpy, seed):
    ik = SOLVERS[key]
    q, status = ik.solve(pose(xyz, rpy), seed)
    assert within_limits(q, ARMS[key[1]])
    metres, radians = distance(ik.forward(q), pose(xyz, rpy))
    assert status is not IKStatus.OK or (metres < 1e-3 and radians < 1e-2)


def solved(ik, targets, seed):
    """Joints of targets, each solved from its predecessor, and the statuses."""
    path, statuses = [], []
    for target in targets:
        seed, status = ik.solve(target, seed)
        path.append(seed)
        statuses.append(status)
    return np.array(path), statuses


@settings(max_examples=60)
@given(key=solver, direction=vector(3, 1.0))
def test_small_steps_of_the_target_move_joints_little(key, direction):
    """Ten steps of at most 3.5 mm away from home and back: no jumps, and the way back ends where it began."""
    ik, home = SOLVERS[key], ARMS[key[1]].postures["home"]
    start = ik.forward(home)
    way = np.concatenate((np.arange(11), np.arange(10)[::-1])) * 0.002
    targets = np.repeat(start[None], len(way), axis=0)
    targets[:, :3, 3] += way[:, None] * direction
    path, statuses = solved(ik, targets, home)
    assert set(statuses) == {IKStatus.OK}
    assert np.abs(np.diff(path, axis=0)).max() < 0.06
    assert np.abs(path[-1] - home).max() < 0.02


@pytest.mark.parametrize("key", sorted(SOLVERS))
def test_forward_is_base_times_flange_times_mount_times_grasp_frame(key):
    arm, hand = ARMS[key[1]], embodiments.load(*key)
    q = arm.postures["home"] + 0.1
    flange = arm.kinematics.forward(q, (arm.flange,))[0]
    np.testing.assert_allclose(SOLVERS[key].forward(q), BASE @ flange @ hand.mount @ hand.grasp_frame, atol=1e-12)


@pytest.mark.parametrize("hand", embodiments.names("hand"))
def test_home_holds_hands_upright_facing_forward_above_the_table(hand):
    """Long or short: the can of the shortest hand (Dex3) stands 8 cm behind and below that of the longest."""
    for side in embodiments.SIDES:
        grasp = inverse(BASE) @ SOLVERS[hand, side].forward(ARMS[side].postures["home"])
        metres, radians = distance(grasp, pose((0.44, 0.0, 0.25)))
        assert metres < 0.085 and radians < 0.01


def test_targets_out_of_reach_have_that_status():
    ik, home = SOLVERS["inspire", "right"], ARMS["right"].postures["home"]
    q, status = ik.solve(BASE @ pose((2.0, 0.0, 0.2)), home)
    assert status in (IKStatus.NOT_CONVERGED, IKStatus.AT_LIMIT)
    assert within_limits(q, ARMS["right"])


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_targets_and_seeds_that_are_not_finite_are_refused(bad):
    ik, home = SOLVERS["inspire", "right"], ARMS["right"].postures["home"]
    target = ik.forward(home)
    broken = target.copy()
    broken[0, 3] = bad
    q, status = ik.solve(broken, home)
    assert status is IKStatus.NOT_FINITE and np.array_equal(q, home)
    q, status = ik.solve(target, np.full(7, bad))
    assert status is IKStatus.NOT_FINITE and np.array_equal(q, home)
    path, statuses = solved(ik, (target, broken, target), home)
    assert np.isfinite(path).all()
    assert statuses == [IKStatus.OK, IKStatus.NOT_FINITE, IKStatus.OK]
