"""Percentiles of a run: near enough, in constant memory."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.latency import LatencyTrace


def traced(values) -> LatencyTrace:
    trace = LatencyTrace()
    for value in values:
        trace.add(value)
    return trace


@settings(deadline=None)
@given(st.lists(st.floats(0.01, 1e5), min_size=1, max_size=300))
def test_percentiles_are_within_two_percent_and_the_maximum_is_exact(values):
    summary = traced(values).summary()
    for share, key in ((0.5, "p50"), (0.99, "p99")):
        exact = np.sort(values)[int(np.ceil(share * len(values))) - 1]
        assert summary[key] == pytest.approx(exact, rel=0.02)
    assert summary["max"] == max(values)
    assert summary["mean"] == pytest.approx(np.mean(values))
    assert summary["count"] == len(values)


def test_an_empty_trace_says_so():
    assert LatencyTrace().summary() == {"p50": 0.0, "p99": 0.0, "max": 0.0, "mean": 0.0, "count": 0}


def test_values_outside_the_range_are_counted_at_its_ends():
    summary = traced([-5.0, 0.0, 1e9]).summary()
    assert summary["count"] == 3 and summary["max"] == 1e9
    assert 0.0 <= summary["p50"] <= 0.002


def test_values_that_are_not_finite_are_not_counted():
    assert traced([float("nan"), float("inf"), 3.0]).summary()["count"] == 1


def test_the_values_carry_the_keys_of_diagnostics():
    assert set(traced([1.0]).values("codec")) == {"codec_ms_p50", "codec_ms_p99", "codec_ms_max"}
