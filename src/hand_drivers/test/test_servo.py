"""The servo loop keeps its deadlines, and reports those that it misses."""

from __future__ import annotations

import os
import threading
from itertools import pairwise

import pytest

from hand_drivers import servo
from hand_drivers.servo import PERIOD_EDGES, ServoLoop
from node_kit.testing import HANGING_S, until


class Clock:
    """In the place of the module `time`: it passes when a thread sleeps, and sleeping ends `late_ns` after its time."""

    def __init__(self) -> None:
        self.now_ns = self.late_ns = 0

    def monotonic_ns(self) -> int:
        return self.now_ns

    def sleep(self, seconds: float) -> None:
        self.now_ns += round(seconds * 1e9) + self.late_ns


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(servo, "time", clock)
    return clock


def run(step, rate_hz: float, steps: int, **options) -> ServoLoop:
    """A loop that has made at least so many steps."""
    enough = threading.Event()

    def counted(now_ns: int) -> None:
        step(now_ns)
        if loop.steps + 1 >= steps:
            enough.set()

    loop = ServoLoop(counted, rate_hz, **options)
    loop.start()
    assert enough.wait(HANGING_S)
    assert loop.stop()
    return loop


def test_lateness_does_not_add_up(clock):
    clock.late_ns = 3_000_000
    times: list[int] = []
    loop = run(times.append, 200.0, 100)
    assert times[99] - times[0] == 99 * 5_000_000 and loop.overruns == 0


def test_periods_missed_by_a_long_step_are_skipped_and_counted(clock):
    delays = iter([0.0, 0.055])
    loop = run(lambda _: clock.sleep(next(delays, 0.0)), 100.0, 10)
    assert loop.overruns == 5
    assert loop.jitter.summary()["max"] == pytest.approx(50.0)


def test_every_period_is_in_the_histogram_and_the_longest_is_reported(clock):
    delays = iter([0.0, 0.0, 0.075])
    times: list[int] = []
    loop = run(lambda now: (times.append(now), clock.sleep(next(delays, 0.0))), 100.0, 20)
    gaps_ms = [(after - before) * 1e-6 for before, after in pairwise(times)]
    assert loop.longest_ms == pytest.approx(max(gaps_ms)) == pytest.approx(80.0)
    assert loop.long_gaps == 1
    assert sum(loop.histogram) == len(gaps_ms) and len(loop.histogram) == len(PERIOD_EDGES) + 1
    assert loop.histogram[-1] == 1


def test_forgotten_figures_begin_anew_and_a_pause_is_no_period():
    loop = run(lambda _: None, 200.0, 5)
    loop.forget()
    before = loop.steps
    loop.start()
    assert until(lambda: loop.steps >= before + 3)
    assert loop.stop()
    assert sum(loop.histogram) == loop.steps - before - 1
    assert loop.jitter.summary()["count"] == sum(loop.histogram)


def test_the_rate_is_that_of_the_steps_made(clock):
    loop = ServoLoop(lambda _: None, 100.0)
    loop.rate_hz()
    loop.steps += 50
    clock.sleep(0.1)
    assert loop.rate_hz() == pytest.approx(500.0)
    assert loop.rate_hz() == 0.0


def test_the_time_before_the_start_does_not_count_for_the_rate(clock):
    loop = ServoLoop(lambda _: None, 100.0)
    clock.sleep(10.0)
    loop.start()
    assert until(lambda: loop.steps >= 20) and loop.stop()
    assert loop.rate_hz() == pytest.approx(100.0, rel=0.1)


def test_a_stopped_loop_can_be_started_again():
    loop = ServoLoop(lambda _: None, 500.0)
    for _ in range(2):
        before = loop.steps
        loop.start()
        assert until(lambda before=before: loop.steps >= before + 3) and loop.running
        assert loop.stop() and not loop.running


def test_the_servo_thread_alone_keeps_to_its_processor():
    mine, found = os.sched_getaffinity(0), []
    loop = run(lambda _: found.append(os.sched_getaffinity(0)), 200.0, 3, cpu_affinity=max(mine))
    assert loop.pinned and set(map(frozenset, found)) == {frozenset({max(mine)})}
    assert os.sched_getaffinity(0) == mine


def test_a_missing_processor_is_reported_and_the_loop_runs_on_any():
    found = []
    loop = run(lambda _: found.append(os.sched_getaffinity(0)), 200.0, 3, cpu_affinity=1023)
    assert not loop.pinned and found[0] == os.sched_getaffinity(0)


@pytest.mark.parametrize("rt_priority", [0, 50])
def test_only_the_loop_runs_in_real_time_where_that_is_permitted(rt_priority):
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
    """Whether this machine permits real-time priority: a container may not."""

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


@pytest.mark.parametrize("phase", [0.0, 0.25, 0.75])
def test_steps_begin_at_their_phase_of_multiples_of_the_period(clock, phase):
    clock.now_ns = 1_234_567_891
    times: list[int] = []
    run(times.append, 250.0, 20, phase=phase)
    assert {time % 4_000_000 for time in times} == {round(phase * 4_000_000)}
