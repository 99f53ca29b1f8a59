"""The audit of commands: it agrees with the guard on all that the guard lets out, and sees what it would not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hand_drivers.guard import MotionLimits, MotionState, guard
from hand_drivers.limit_monitor import LimitMonitor

DT = 0.01
LIMITS = MotionLimits(np.full(2, -1.0), np.full(2, 1.0), np.array([2.0, 0.5]), np.array([20.0, 5.0]))


@given(st.lists(st.tuples(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3)), min_size=1, max_size=60))
def test_nothing_that_the_guard_lets_out_is_outside(targets):
    state, audit = MotionState.at_rest(np.zeros(2)), LimitMonitor(LIMITS, DT)
    audit.start(state.position)
    for target in targets:
        state, _ = guard(np.array(target), state, LIMITS, DT)
        audit.add(state.position)
    assert audit.outside == 0
    assert max(audit.peaks()) <= 1 + 1e-6


@pytest.mark.parametrize(
    "path",
    [
        [[0.021, 0.0]],  # too fast, and not from rest
        [[0.002, 0.0], [0.006, 0.0], [0.012, 0.0], [0.012, 0.0]],  # stops too hard
        [[0.0, np.nan]],
    ],
)
def test_a_command_too_fast_too_sudden_or_no_number_is_outside(path):
    audit = LimitMonitor(LIMITS, DT)
    audit.start(np.zeros(2))
    for position in path:
        audit.add(np.array(position))
    assert audit.outside > 0


def test_a_position_beyond_its_limit_is_outside_unless_started_there():
    for start, outside in ((1.0, 1), (1.1, 0)):
        audit = LimitMonitor(LIMITS, DT)
        audit.start(np.array([start, 0.0]))
        audit.add(np.array([start + (0.0005 if outside else -0.0005), 0.0]))
        assert audit.outside == outside


def test_peaks_are_shares_of_the_limits_since_the_last_look():
    audit = LimitMonitor(LIMITS, DT)
    audit.start(np.zeros(2))
    audit.add(np.array([0.001, 0.0]))
    assert audit.peaks() == pytest.approx((0.05, 0.5))
    audit.add(np.array([0.002, 0.0]))
    assert audit.peaks() == pytest.approx((0.05, 0.0))
