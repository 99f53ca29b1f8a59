"""How long the machine itself stood still: what nothing that runs on it could have helped."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from types import TracebackType

from hand_drivers.servo import ServoLoop

RATE_HZ, PRIORITY = 100.0, 99
END_S = 5.0


class Pauses:
    """While it is entered, a process with a thread on each processor that only wakes, before all others of the system.

    A process of its own: threads of a bench would wait for the interpreter's lock, which a thread that is kept from
    running may hold. Where real-time priority is not permitted nothing is known: what keeps such a thread could be any
    other program.
    """

    def __init__(self) -> None:
        self._watcher: subprocess.Popen[str] | None = None
        self._longest: float | None = None

    def __enter__(self) -> Pauses:
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
        """Begin anew."""
        self.take_ms()
        self._longest = None

    def take_ms(self) -> float | None:
        """The longest time that a processor did not run since the last call; None if that is not known."""
        found = self._ask()
        self._longest = None if found is None else max(found, self._longest or 0.0)
        return found

    def longest_ms(self) -> float | None:
        """The longest of all, until now or the exit; None if that is not known."""
        if self._watcher is not None:
            self.take_ms()
        return self._longest

    def _ask(self) -> float | None:
        assert self._watcher is not None and self._watcher.stdin is not None and self._watcher.stdout is not None
        try:
            print(file=self._watcher.stdin, flush=True)
            return json.loads(self._watcher.stdout.readline() or "null")
        except BrokenPipeError:  # the watcher is gone
            return None


def words(found_ms: float | None) -> str:
    """For how long the machine stood still, for people."""
    if found_ms is None:
        return "whether the machine itself stood still is not known: no real-time priority here"
    return f"the machine itself stood still for {found_ms:.1f} ms at most"


def longest_ms(loops: Sequence[ServoLoop]) -> float | None:
    """The longest time that a processor kept its loop waiting; None unless all are pinned and go before all others."""
    if not all(loop.real_time and loop.pinned for loop in loops):
        return None
    return round(max(max(loop.longest_ms for loop in loops) - 1e3 / RATE_HZ, 0.0), 2)


def main() -> int:
    """The watcher: answers each line of standard input with the longest since the one before; ends with the input."""
    processors = sorted(os.sched_getaffinity(0))
    loops = [ServoLoop(lambda now_ns: None, RATE_HZ, f"pauses {c}", PRIORITY, c) for c in processors]
    for loop in loops:
        loop.start()
    for _ in sys.stdin:
        time.sleep(2 / RATE_HZ)  # what goes on now shows at the next step
        print(json.dumps(longest_ms(loops)), flush=True)
        for loop in loops:
            loop.forget()
    for loop in loops:
        loop.stop()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
