"""The servo loop keeps its deadlines, and says so where it does not."""

from __future__ import annotations

import os
import threading
import time
from itertools import pairwise

import pytest

from hand_drivers.servo import PERIOD_EDGES, ServoLoop

pytestmark = pytest.mark.graph


def run(step, rate_hz: float, steps: int, cpu_affinity: int = -1, rt_priority: int = 0) -> ServoLoop:
    """A loop that has made so many steps."""
    enough = threading.Event()

    def counted(now_ns: int) -> None:
        step(now_ns)
        if loop.steps + 1 >= steps:
            enough.set()

    loop = ServoLoop(counted, rate_hz, cpu_affinity=cpu_affinity, rt_priority=rt_priority)
    loop.start()
    assert enough.wait(20.0)
    assert loop.stop()
    return loop


def test_lateness_does_not_add_up():
    times: list[int] = []
    loop = run(times.append, 200.0, 100)
    elapsed = (times[99] - times[0]) * 1e-9
    # Skipped periods are counted: with them, the steps lie on the grid of the first one.
    assert elapsed == pytest.approx((99 + loop.overruns) * 0.005, abs=0.02)


def test_periods_that_a_long_step_swallows_are_skipped_and_counted():
    delays = iter([0.0, 0.055])
    loop = run(lambda _: time.sleep(next(delays, 0.0)), 100.0, 10)
    assert loop.overruns >= 5
    assert loop.jitter.summary()["max"] >= 40.0


def test_every_time_between_two_steps_is_in_the_histogram_and_the_longest_is_told():
    delays = iter([0.0, 0.0, 0.075])
    times: list[int] = []
    loop = run(lambda now: (times.append(now), time.sleep(next(delays, 0.0))), 100.0, 20)
    gaps_ms = [(after - before) * 1e-6 for before, after in pairwise(times)]
    assert loop.longest_ms == pytest.approx(max(gaps_ms)) and loop.longest_ms >= 70.0
    assert loop.long_gaps == sum(gap > 50.0 for gap in gaps_ms) >= 1
    assert sum(loop.histogram) == len(gaps_ms) and len(loop.histogram) == len(PERIOD_EDGES) + 1
    assert loop.histogram[-1] == sum(gap >= 20.0 for gap in gaps_ms)


def test_figures_that_were_forgotten_begin_anew_and_a_pause_is_no_period():
    loop = run(lambda _: None, 200.0, 5)
    loop.forget()
    time.sleep(0.1)
    before = loop.steps
    loop.start()
    deadline = time.monotonic() + 10.0
    while loop.steps < before + 3 and time.monotonic() < deadline:
        time.sleep(0.002)
    assert loop.stop()
    assert sum(loop.histogram) == loop.steps - before - 1
    assert loop.jitter.summary()["count"] == sum(loop.histogram)


def test_the_rate_is_that_of_the_steps_made():
    loop = ServoLoop(lambda _: None, 100.0)
    loop.rate_hz()
    loop.steps += 50
    time.sleep(0.1)
    assert 100.0 < loop.rate_hz() <= 500.0
    assert loop.rate_hz() == 0.0


def test_it_can_be_started_again():
    loop = ServoLoop(lambda _: None, 500.0)
    for _ in range(2):
        before = loop.steps
        loop.start()
        deadline = time.monotonic() + 10.0
        while loop.steps < before + 3 and time.monotonic() < deadline:
            time.sleep(0.002)
        assert loop.steps >= before + 3 and loop.running
        assert loop.stop() and not loop.running


def test_the_servo_thread_alone_keeps_to_its_processor():
    mine, found = os.sched_getaffinity(0), []
    loop = run(lambda _: found.append(os.sched_getaffinity(0)), 200.0, 3, cpu_affinity=max(mine))
    assert loop.pinned and set(map(frozenset, found)) == {frozenset({max(mine)})}
    assert os.sched_getaffinity(0) == mine


def test_a_processor_that_is_not_there_is_said_and_the_loop_runs_on_any():
    found = []
    loop = run(lambda _: found.append(os.sched_getaffinity(0)), 200.0, 3, cpu_affinity=1023)
    assert not loop.pinned and found[0] == os.sched_getaffinity(0)


@pytest.mark.parametrize("rt_priority", [0, 50])
def test_a_loop_runs_in_real_time_where_that_is_permitted_and_says_so_and_nothing_else_does(rt_priority):
    found: list[int] = []

    def step(_now_ns: int) -> None:
        thread = threading.Thread(target=lambda: found.append(os.sched_getscheduler(0)))
        found.append(os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK)
        thread.start()
        thread.join()

    loop = run(step, 100.0, 1, rt_priority=rt_priority)
    assert found[:2] == [os.SCHED_FIFO if loop.real_time else os.SCHED_OTHER, os.SCHED_OTHER]
    assert loop.real_time == (rt_priority > 0 and _permitted())


def _permitted() -> bool:
    """Whether this machine lets anyone: a container may not."""

    def ask() -> None:
        try:
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
            answers.append(True)
        except OSError:
            answers.append(False)

    answers: list[bool] = []
    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    return answers[0]
