"""The latencies that are reported for a chunk on its way to the device."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stepping import stepped

from contracts.chunk import Chunk
from hand_drivers.driver import Driver
from hand_drivers.trace import CommandTrace

MS = 1_000_000
times = st.integers(0, 20 * MS)


class Clock:
    def __init__(self) -> None:
        self.now = 1000 * MS

    def __call__(self) -> int:
        return self.now


@given(waiting=times, judging=times, working=times)
def test_the_overhead_is_the_whole_without_the_wait_for_the_next_period(waiting, judging, working):
    clock = Clock()
    trace = CommandTrace(clock)
    period = clock.now
    trace.arrived(waiting)
    clock.now += judging
    trace.accepted()
    trace.sampled()
    clock.now += working
    trace.writing(period)
    trace.writing(period)  # only the first write after a chunk is one that takes it up
    assert trace.whole.summary()["count"] == trace.overhead.summary()["count"] == 1
    assert trace.whole.summary()["max"] == pytest.approx((waiting + judging + working) / MS)
    assert trace.overhead.summary()["max"] == pytest.approx((judging + working) / MS)


def test_a_chunk_received_within_a_period_has_no_wait():
    clock = Clock()
    trace = CommandTrace(clock)
    period = clock.now
    clock.now += 2 * MS
    trace.arrived(MS)
    trace.accepted()
    trace.sampled()
    trace.writing(period)
    assert trace.overhead.summary()["max"] == trace.whole.summary()["max"] == pytest.approx(1.0)


def test_a_chunk_after_the_target_was_taken_counts_to_the_next_write():
    clock = Clock()
    trace = CommandTrace(clock)
    trace.sampled()
    trace.arrived()
    trace.accepted()
    trace.writing(clock.now)
    assert trace.whole.summary()["count"] == 0
    clock.now += 4 * MS
    trace.sampled()
    trace.writing(clock.now)
    assert trace.whole.summary()["max"] == pytest.approx(4.0)
    assert trace.overhead.summary()["max"] == 0.0


@pytest.fixture
def driver(device, limits):
    driver = Driver(device, limits, stepped())
    driver.trace = CommandTrace(Clock())
    driver.start()
    return driver


def send(driver: Driver, points: np.ndarray) -> None:
    driver.accept_chunk(Chunk(0, np.array([0.1]), points), 0)


def test_a_driver_traces_each_chunk_it_acts_on_once(driver):
    for _ in range(3):
        driver.trace.arrived()
        send(driver, np.full((1, 3), 0.1))
        for _ in range(5):
            driver.tick(0)
    assert driver.trace.whole.summary()["count"] == 3


def test_a_refused_chunk_is_not_traced(driver):
    driver.trace.arrived()
    send(driver, np.full((1, 3), np.nan))
    driver.tick(0)
    assert driver.trace.whole.summary()["count"] == 0


def test_a_chunk_without_a_recorded_arrival_is_not_traced(driver):
    send(driver, np.full((1, 3), 0.1))
    driver.tick(0)
    assert driver.trace.overhead.summary()["count"] == 0


def test_a_write_ends_the_hops_of_the_chunk_it_acts_on():
    clock = Clock()
    trace = CommandTrace(clock)
    stamp_ns, period_ns = 10**18, clock.now + 3 * MS
    clock.now += 4 * MS
    trace.arrived(2 * MS, stamp_ns, age_ns=20 * MS)
    clock.now += MS
    trace.accepted()
    trace.sampled()
    clock.now += MS
    trace.writing(period_ns)
    assert trace.hops.values()["hops"] == f"{stamp_ns}:18000,19000,21000,22000"
