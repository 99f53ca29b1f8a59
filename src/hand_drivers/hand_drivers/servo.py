"""The servo loop: a thread that calls a function at absolute deadlines, and measures its own timing."""

from __future__ import annotations

import os
import threading
import time
from bisect import bisect_right
from collections.abc import Callable

from contracts.latency import LatencyTrace
from node_kit.scheduling import precise_timers, schedule_in_real_time

PERIOD_EDGES = (0.5, 0.8, 0.9, 0.95, 1.05, 1.1, 1.2, 1.5, 2.0)  # of the histogram of the period, in periods
LONG_GAP_S = 0.05  # between two steps; the robot has no new target meanwhile


class ServoLoop:
    """Calls ``step(now_ns)``, CLOCK_MONOTONIC, every ``1 / rate_hz`` s from a thread of its own.

    Deadlines are absolute: lateness never adds up. They lie ``phase`` of a period after multiples of the period, so
    that loops of several processes need not want a CPU at the same instant. Periods missed altogether are skipped and
    counted as overruns. ``jitter`` traces how far, in ms, the time between two steps is from the period, ``work`` how
    long a step takes; ``histogram`` counts the times between steps by PERIOD_EDGES, ``longest_ms`` is the longest and
    ``long_gaps`` counts those over LONG_GAP_S. With an ``rt_priority`` of 1 to 99 the thread, alone in its process, is
    scheduled in real time (SCHED_FIFO), and with a ``cpu_affinity`` of 0 or more it keeps to that CPU, where the system
    permits it.
    """

    def __init__(
        self,
        step: Callable[[int], None],
        rate_hz: float,
        name: str = "servo",
        rt_priority: int = 0,
        cpu_affinity: int = -1,
        phase: float = 0.0,
    ) -> None:
        self.steps = 0
        self.forget()
        self.real_time = self.pinned = False
        self._step, self._name, self._rt_priority, self._cpu_affinity = step, name, rt_priority, cpu_affinity
        self._period_ns = round(1e9 / rate_hz)
        self._phase_ns = round(phase * self._period_ns)
        self._end = threading.Event()
        self._thread: threading.Thread | None = None
        self._counted = (time.monotonic_ns(), 0)

    def forget(self) -> None:
        """Begin all figures anew."""
        self.jitter, self.work, self.overruns = LatencyTrace(), LatencyTrace(), 0
        self.histogram = [0] * (len(PERIOD_EDGES) + 1)
        self.longest_ms, self.long_gaps = 0.0, 0

    def start(self) -> None:
        """Start the thread; the counts go on from where they were."""
        self._end.clear()
        self._counted = (time.monotonic_ns(), self.steps)
        self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        self._thread.start()

    def stop(self, timeout_s: float = 2.0) -> bool:
        """End after the current step; True unless it did not end in time."""
        self._end.set()
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.join(timeout_s)
        return thread is None or not thread.is_alive()

    @property
    def running(self) -> bool:
        """Whether the thread lives; it would not after an exception in a step."""
        return self._thread is not None and self._thread.is_alive()

    def rate_hz(self) -> float:
        """Steps per second since the last call of this method, or the start."""
        now, steps = time.monotonic_ns(), self.steps
        (then, before), self._counted = self._counted, (now, steps)
        return (steps - before) * 1e9 / max(now - then, 1)

    def _run(self) -> None:
        precise_timers()
        self.real_time = schedule_in_real_time(self._rt_priority)
        self.pinned = self._cpu_affinity >= 0 and keep_to(self._cpu_affinity)
        now, last = time.monotonic_ns(), None
        deadline = now - (now - self._phase_ns) % self._period_ns
        while not self._end.is_set():
            deadline = self._next_deadline(deadline)
            sleep_until(deadline)
            now = time.monotonic_ns()
            if last is not None:
                self._count(now - last)
            last = now
            self._step(now)
            self.work.add((time.monotonic_ns() - now) * 1e-6)
            self.steps += 1

    def _count(self, gap_ns: int) -> None:
        self.jitter.add(abs(gap_ns - self._period_ns) * 1e-6)
        self.histogram[bisect_right(PERIOD_EDGES, gap_ns / self._period_ns)] += 1
        self.longest_ms = max(self.longest_ms, gap_ns * 1e-6)
        self.long_gaps += gap_ns > LONG_GAP_S * 1e9

    def _next_deadline(self, deadline: int) -> int:
        missed = max(time.monotonic_ns() - deadline, 0) // self._period_ns
        self.overruns += missed
        return deadline + (missed + 1) * self._period_ns


def sleep_until(deadline_ns: int) -> None:
    """Sleep to a time of CLOCK_MONOTONIC; returns at once when it is past."""
    remaining = deadline_ns - time.monotonic_ns()
    if remaining > 0:
        time.sleep(remaining * 1e-9)


def keep_to(cpu: int) -> bool:
    """Keep this thread to one processor; False where there is none of that number or the system has no such thing."""
    try:
        os.sched_setaffinity(0, {cpu})
    except (OSError, AttributeError):
        return False
    return True
