"""Measures scheduler stalls and steal time: times in which the machine runs none of the graph's threads."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import deque
from types import TracebackType

from hand_drivers.servo import ServoLoop

RATE_HZ, PRIORITY = 100.0, 99
END_S = 5.0
STEPS = 360_000  # that a loop remembers until they are taken: an hour


class SchedulerStalls:
    """Measures with a pinned thread of the highest real-time priority on each processor; a context manager.

    The threads are in a separate process, as those of a bench may wait for the interpreter lock. Without the permission
    for real-time priority the stalls are unknown: any other program could delay the threads.
    """

    def __init__(self) -> None:
        self._watcher: subprocess.Popen[str] | None = None
        self._longest: float | None = None

    def __enter__(self) -> SchedulerStalls:
        command = [sys.executable, "-m", __name__]
        self._watcher = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.forget()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.take_ms()
        watcher, self._watcher = self._watcher, None
        if watcher is not None:
            try:
                watcher.communicate(timeout=END_S)
            except subprocess.TimeoutExpired:
                watcher.kill()

    def forget(self) -> None:
        """Discard the measurements."""
        self.take_ms()
        self._longest = None

    def take_ms(self) -> float | None:
        """The longest stall since the last call, ms; None if unknown."""
        found = self._request()
        self._longest = None if found is None else max(found, self._longest or 0.0)
        return found

    def longest_ms(self) -> float | None:
        """The longest of all stalls, until now or the exit, ms; None if unknown."""
        if self._watcher is not None:
            self.take_ms()
        return self._longest

    def _request(self) -> float | None:
        assert self._watcher is not None and self._watcher.stdin is not None and self._watcher.stdout is not None
        try:
            print(file=self._watcher.stdin, flush=True)
            return json.loads(self._watcher.stdout.readline() or "null")
        except BrokenPipeError:  # the process has ended
            return None


def words(found_ms: float | None) -> str:
    """A text for the longest scheduler stall."""
    if found_ms is None:
        return "scheduler stalls unknown: no permission for real-time priority"
    return f"longest scheduler stall {found_ms:.1f} ms"


class Delays:
    """How late the steps of one loop are. One thread steps, another takes; none of the delays is lost between them."""

    def __init__(self) -> None:
        self._last_ns: int | None = None
        self._late_ms: deque[float] = deque(maxlen=STEPS)

    def step(self, now_ns: int) -> None:
        """A step of the loop at a time of CLOCK_MONOTONIC, ns."""
        if self._last_ns is not None:
            self._late_ms.append(max((now_ns - self._last_ns) * 1e-6 - 1e3 / RATE_HZ, 0.0))
        self._last_ns = now_ns

    def take_ms(self) -> float:
        """The longest delay since the last call, ms."""
        longest = 0.0
        while self._late_ms:
            longest = max(longest, self._late_ms.popleft())
        return longest


def main() -> int:
    """The measuring process: for each line of the standard input, prints the longest stall since the previous one.

    Prints null unless all loops are pinned and have real-time priority: any other program could delay them.
    """
    processors = sorted(os.sched_getaffinity(0))
    delays = [Delays() for _ in processors]
    loops = [
        ServoLoop(found.step, RATE_HZ, f"stalls {cpu}", PRIORITY, cpu)
        for cpu, found in zip(processors, delays, strict=True)
    ]
    for loop in loops:
        loop.start()
    for _ in sys.stdin:
        time.sleep(2 / RATE_HZ)  # a stall in progress appears in the next step
        known = all(loop.real_time and loop.pinned for loop in loops)
        print(json.dumps(round(max(found.take_ms() for found in delays), 2) if known else None), flush=True)
    for loop in loops:
        loop.stop()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
