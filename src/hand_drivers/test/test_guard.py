"""The motion guard: no command exceeds a limit, for any target."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from hand_drivers.guard import GuardStatus, MotionLimits, MotionState, approach_velocity, brake, guard
from hand_drivers.limit_monitor import LimitMonitor

TOLERANCE = 1e-9
JOINTS = 4
WILD = st.one_of(
    st.floats(-4, 4),
    st.sampled_from([np.nan, np.inf, -np.inf, 1e308, -1e308, 0.0, 1.0, -1.0]),
)


def limits(width=1.0, velocity=3.14, acceleration=15.0, joints=JOINTS):
    full = np.full(joints, 1.0)
    return MotionLimits(-width * full, width * full, velocity * full, acceleration * full)


def follow(targets, bounds, dt, start, lead=None):
    """Positions (T, n) of the guard after each target, and statuses."""
    state, positions, statuses = MotionState.at_rest(start), [], []
    for target in targets:
        state, status = guard(target, state, bounds, dt, lead)
        positions.append(state.position)
        statuses.append(status)
    return np.array(positions), statuses


def assert_within(positions, bounds, dt, start):
    """Position, velocity and acceleration, by the differences that a robot would see."""
    path = np.vstack([start, start, positions])
    velocity = np.diff(path, axis=0) / dt
    acceleration = np.diff(velocity, axis=0) / dt
    assert (path >= np.minimum(bounds.lower, start) - TOLERANCE).all()
    assert (path <= np.maximum(bounds.upper, start) + TOLERANCE).all()
    assert (np.abs(velocity) <= bounds.velocity + TOLERANCE).all()
    # Differences of rounded positions over dt twice: a few ulp of a position come back as 1e-11.
    assert (np.abs(acceleration) <= bounds.acceleration + TOLERANCE).all()


@st.composite
def wild_runs(draw):
    dt = draw(st.sampled_from([0.004, 0.005, 0.01]))
    bounds = limits(
        width=draw(st.sampled_from([0.002, 0.1, 1.0, 3.0])),
        velocity=draw(st.sampled_from([0.05, 1.0, 3.14, 20.0])),
        acceleration=draw(st.sampled_from([0.5, 7.3, 15.0, 60.0])),
    )
    place = draw(arrays.arrays(float, JOINTS, elements=st.floats(-1, 1)))
    start = np.where(np.abs(place) > 0.8, np.sign(place), place) * bounds.upper  # often at a limit exactly
    targets = draw(st.lists(arrays.arrays(float, JOINTS, elements=WILD), min_size=1, max_size=12))
    repeats = draw(st.lists(st.integers(1, 30), min_size=len(targets), max_size=len(targets)))
    leads = draw(arrays.arrays(float, JOINTS, elements=WILD))
    return dt, bounds, start, [t for t, count in zip(targets, repeats, strict=True) for _ in range(count)], leads


@given(wild_runs())
def test_no_sequence_of_targets_produces_a_command_beyond_a_limit(run):
    dt, bounds, start, targets, lead = run
    for given_lead in (None, lead):
        positions, _ = follow(targets, bounds, dt, start, given_lead)
        assert np.isfinite(positions).all()
        assert_within(positions, bounds, dt, start)


@given(wild_runs())
def test_every_state_can_brake_before_the_position_limit(run):
    dt, bounds, start, targets, lead = run
    state = MotionState.at_rest(start)
    for target in targets:
        state, _ = guard(target, state, bounds, dt, lead)
    path = [state.position - state.velocity * dt, state.position]
    while state.moving:
        state = brake(state, bounds, dt)
        path.append(state.position)
    assert (np.abs(np.diff(path, 2, axis=0)) / dt**2 <= bounds.acceleration + TOLERANCE).all()
    assert (state.position <= bounds.upper + TOLERANCE).all() and (state.position >= bounds.lower - TOLERANCE).all()


def scaled(bounds, share):
    """The limits of a robot at a velocity scaling of `share`."""
    velocity, acceleration = bounds.velocity * share, bounds.acceleration * share
    return MotionLimits(bounds.lower, bounds.upper, velocity, acceleration, bounds.acceleration)


@given(wild_runs(), st.data())
def test_no_sequence_of_velocity_scalings_breaks_a_limit(run, data):
    """Positions and full limits always hold; a joint above the scaled speed brakes at the full deceleration."""
    dt, bounds, start, targets, lead = run
    shares = data.draw(st.lists(st.sampled_from([1.0, 0.7, 0.3, 0.1, 0.01]), min_size=1, max_size=len(targets)))
    state, audit = MotionState.at_rest(start), LimitMonitor(bounds, dt)
    audit.start(start)
    path, each = [start, start], -(-len(targets) // len(shares))
    for number, target in enumerate(targets):
        now = scaled(bounds, shares[number // each])
        before = np.abs(state.velocity)
        state, _ = guard(target, state, now, dt, lead)
        audit.add(state.position, now) if number % each == 0 else audit.add(state.position)
        path.append(state.position)
        assert (np.abs(state.velocity) <= np.maximum(now.velocity, before - bounds.acceleration * dt) + 1e-8).all()
    assert_within(np.array(path[2:]), bounds, dt, start)
    assert audit.outside == 0


@given(wild_runs(), st.sampled_from([0.7, 0.1, 0.01]))
def test_every_state_can_brake_within_lowered_limits(run, share):
    dt, bounds, start, targets, lead = run
    state = MotionState.at_rest(start)
    for target in targets:
        state, _ = guard(target, state, bounds, dt, lead)
    lowered, path = scaled(bounds, share), [state.position - state.velocity * dt, state.position]
    while state.moving:
        state = brake(state, lowered, dt)
        path.append(state.position)
    assert (np.abs(np.diff(path, 2, axis=0)) / dt**2 <= bounds.acceleration + TOLERANCE).all()
    assert (state.position <= bounds.upper + TOLERANCE).all() and (state.position >= bounds.lower - TOLERANCE).all()


def test_a_joint_in_motion_brakes_at_once_to_a_lowered_speed():
    bounds, dt, far = limits(width=3.0), 0.01, np.full(JOINTS, 2.5)
    state = MotionState.at_rest(np.full(JOINTS, -2.5))
    for _ in range(60):
        state, _ = guard(far, state, bounds, dt)
    assert state.velocity == pytest.approx(bounds.velocity)
    lowered, speeds = scaled(bounds, 0.1), [state.velocity[0]]
    for _ in range(60):
        state, _ = guard(far, state, lowered, dt)
        speeds.append(state.velocity[0])
    braking = int(np.ceil((speeds[0] - lowered.velocity[0]) / (bounds.acceleration[0] * dt)))
    assert np.diff(speeds)[: braking - 1] == pytest.approx(-bounds.acceleration[0] * dt)
    assert speeds[braking:] == pytest.approx([lowered.velocity[0]] * len(speeds[braking:]))
    for _ in range(200):
        state, _ = guard(far, state, bounds, dt)
        speeds.append(state.velocity[0])
    assert max(speeds[-200:]) == pytest.approx(bounds.velocity[0])


@given(
    arrays.arrays(float, JOINTS, elements=st.floats(-1, 1)),
    arrays.arrays(float, JOINTS, elements=st.floats(-1, 1)),
    st.sampled_from([0.004, 0.01]),
)
def test_a_constant_target_is_reached_without_overshoot(start, target, dt):
    bounds = limits()
    positions, statuses = follow([target] * round(2.5 / dt), bounds, dt, start)
    assert_within(positions, bounds, dt, start)
    assert (positions <= np.maximum(start, target) + TOLERANCE).all()
    assert (positions >= np.minimum(start, target) - TOLERANCE).all()
    assert np.abs(positions[-1] - target).max() <= TOLERANCE
    assert statuses[-1] is GuardStatus.OK


@given(st.floats(0, 3), st.floats(0.1, 50), st.sampled_from([0.004, 0.01]))
def test_the_approach_velocity_brakes_exactly_onto_the_distance(distance, acceleration, dt):
    step = acceleration * dt
    velocity, travelled = approach_velocity(distance, step, dt), 0.0
    while velocity > 0:
        travelled += velocity * dt
        velocity = max(velocity - step, 0.0)
    assert travelled == pytest.approx(distance, abs=1e-9)


def test_a_target_moving_within_limits_is_followed_without_lag():
    bounds, dt, speed = limits(width=3.0), 0.01, np.array([0.5, -0.5, 1.0, 0.0])
    targets = [speed * dt * k for k in range(1, 150)]
    positions, statuses = follow(targets, bounds, dt, np.zeros(JOINTS), speed)
    assert np.abs(positions[60:] - np.array(targets)[60:]).max() <= TOLERANCE
    assert set(statuses[60:]) == {GuardStatus.OK}


@pytest.mark.parametrize(
    "target",
    [
        np.array([np.nan, 0, 0, 0]),
        np.array([0, np.inf, 0, 0]),
        np.zeros(JOINTS + 1),
        np.zeros((1, JOINTS)),
        np.zeros(0),
    ],
    ids=["nan", "infinite", "too long", "two dimensions", "empty"],
)
def test_an_unusable_target_is_refused_and_motion_decelerates_to_a_hold(target):
    bounds, dt = limits(width=3.0), 0.01
    state = MotionState.at_rest(np.zeros(JOINTS))
    for _ in range(20):
        state, _ = guard(np.full(JOINTS, 2.0), state, bounds, dt)
    speeds = [state.velocity]
    while state.moving:
        state, status = guard(target, state, bounds, dt)
        assert status is GuardStatus.REFUSED
        speeds.append(state.velocity)
    changes = -np.diff(speeds, axis=0)[:-1] / dt
    assert changes == pytest.approx(np.broadcast_to(bounds.acceleration, changes.shape))
    held, _ = guard(target, state, bounds, dt)
    assert (held.position == state.position).all()


def test_a_joint_beyond_its_limit_moves_back_inside_only():
    bounds, dt, start = limits(), 0.01, np.array([1.2, -1.2, 1.2, 0.0])
    positions, _ = follow([np.array([5.0, -5.0, 0.0, 0.0])] * 200, bounds, dt, start)
    path = np.vstack([start, positions])
    assert (np.diff(path[:, 0]) <= 0).all() and (np.diff(path[:, 1]) >= 0).all()
    assert positions[-1] == pytest.approx(np.array([1.0, -1.0, 0.0, 0.0]))
    assert_within(positions, bounds, dt, start)


def test_a_state_too_fast_to_stop_is_stopped_at_the_position_limit():
    bounds = limits()
    fast = MotionState(np.full(JOINTS, 0.99), np.full(JOINTS, 3.0))
    command, status = guard(np.full(JOINTS, 2.0), fast, bounds, 0.01)
    assert status is GuardStatus.LIMITED
    assert (command.position <= bounds.upper).all()


@pytest.mark.parametrize(
    "change",
    [
        {"lower": np.full(JOINTS, 2.0)},
        {"velocity": np.zeros(JOINTS)},
        {"acceleration": np.full(JOINTS, np.nan)},
        {"upper": np.ones(2)},
        {"braking": np.full(JOINTS, 0.1)},
    ],
    ids=["lower above upper", "no velocity", "not finite", "another shape", "brakes too gently"],
)
def test_inconsistent_limits_are_refused(change):
    whole = limits()
    values = {key: getattr(whole, key) for key in ("lower", "upper", "velocity", "acceleration")}
    with pytest.raises(ValueError, match="motion limits"):
        MotionLimits(**{**values, **change})
