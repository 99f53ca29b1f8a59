"""A clock that was set back is told from messages that arrive late."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from episodes.clock import JUMP_S, jump, stamp_jump

S = 10**9
START = 1_700_000_000 * S


def at(seconds: np.ndarray) -> np.ndarray:
    return START + np.round(seconds * S).astype(np.int64)


@st.composite
def streams(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Times of reception and stamps, s, of a topic whose messages are up to 50 ms old; at least 5 s."""
    period = draw(st.floats(0.004, 0.2))
    received = np.arange(0.0, 6.0, period)
    seed = draw(st.integers(0, 2**32 - 1))
    return received, received - np.random.default_rng(seed).uniform(0.001, 0.05, len(received))


@given(streams(), st.floats(0.4, 30.0), st.floats(0.2, 0.8))
def test_a_clock_that_was_set_back_is_found_to_the_message(stream, back_s, share):
    received, stamps = stream
    first = int(share * len(received))
    stamps[first:] -= back_s
    found = stamp_jump(at(received), at(stamps))
    assert found is not None
    assert found.back_s == pytest.approx(stamps[first - 1] - stamps[first], abs=1e-6)
    assert found.at_s == pytest.approx(stamps[first - 1] - stamps[0], abs=1e-6)


@given(streams(), st.data())
def test_messages_that_arrive_late_are_no_clock_that_was_set_back(stream, data):
    """Up to half of the messages, in bursts or alone, up to 2 s late: of several publishers some stall."""
    received, stamps = stream
    late = data.draw(st.lists(st.integers(0, len(received) - 1), max_size=len(received) // 2, unique=True))
    in_time = np.setdiff1d(np.arange(len(received)), late)
    stamps[late] -= data.draw(st.floats(0.0, 2.0))
    gaps = np.diff(received[in_time], prepend=-0.5, append=received[-1] + 0.5)
    if gaps.max() < 0.9:  # else no message of the second that is compared was in time
        assert stamp_jump(at(received), at(stamps)) is None


def test_a_set_clock_is_found_beside_a_message_later_still():
    received = np.arange(0.0, 8.0, 0.1)
    stamps = received - 0.01
    stamps[30:] -= 0.5
    stamps[60] -= 3.0
    found = stamp_jump(at(received), at(stamps))
    assert found is not None and found.back_s == pytest.approx(0.4)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_messages_are_no_jump(count):
    times = at(np.arange(count, dtype=float))
    assert jump(times) is None and stamp_jump(times, times) is None


def test_a_step_within_the_tolerance_is_none():
    times = np.array([0.0, 1.0, 1.0 - 0.9 * JUMP_S, 2.0])
    assert jump(at(times)) is None
