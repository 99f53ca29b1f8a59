"""Lateness of messages, measured with two clocks that are not synchronised."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hand_drivers.devices.lateness import DRIFT, Lateness

SECOND = 1_000_000_000
PERIOD_NS = 2_000_000
offsets = st.integers(-(10**18), 10**18)
ways = st.lists(st.integers(0, 80_000_000), min_size=1, max_size=50)


@given(offset=offsets, ways=ways)
def test_lateness_is_the_delay_beyond_the_least_one_with_any_clock_offset(offset, ways):
    lateness, began = Lateness(), 2 * 10**18
    for number, way in enumerate(ways):
        sent = began + number * PERIOD_NS
        late_s = lateness.of(sent, sent + way + offset)
        assert late_s == pytest.approx(1e-9 * (way - min(ways[: number + 1])), abs=1e-4)
        assert late_s >= 0


@given(drift=st.floats(-0.9 * DRIFT, 0.9 * DRIFT), way=st.integers(0, 80_000_000))
def test_clock_drift_does_not_count_as_lateness(drift, way):
    lateness = Lateness()
    for second in range(0, 36_000, 60):
        now = second * SECOND
        assert lateness.of(SECOND + round(now * (1 + drift)), now + way) < 0.04


def test_a_delay_is_seen_for_minutes():
    lateness = Lateness()
    lateness.of(SECOND, 5 * SECOND)
    for second in range(2, 300):
        assert lateness.of(second * SECOND, (second + 4) * SECOND + SECOND // 2) > 0.3


@given(back=st.integers(1, 10**18))
def test_a_sender_clock_that_is_set_back_restarts_the_measurement(back):
    lateness = Lateness()
    lateness.of(10**18 + 1, 0)
    assert lateness.of(10**18 + 1 - back, PERIOD_NS) == 0


@pytest.mark.parametrize("sent", [0, -1])
def test_a_message_without_a_send_time_is_never_late(sent):
    lateness = Lateness()
    lateness.of(SECOND, SECOND)
    assert lateness.of(sent, 10**15) == 0
