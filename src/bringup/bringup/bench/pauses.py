"""How long the machine itself stood still: what nothing that runs on it could have helped."""

from __future__ import annotations

import os
from types import TracebackType

from hand_drivers.servo import ServoLoop

RATE_HZ, PRIORITY = 100.0, 99


class Pauses:
    """While it is entered, a thread on each processor that only wakes, before all others of the system.

    Where real-time priority is not permitted nothing is known: what keeps such a thread could be any other program.
    """

    def __init__(self) -> None:
        processors = sorted(os.sched_getaffinity(0))
        self._loops = [ServoLoop(lambda now_ns: None, RATE_HZ, f"pauses {c}", PRIORITY, c) for c in processors]

    def __enter__(self) -> Pauses:
        for loop in self._loops:
            loop.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for loop in self._loops:
            loop.stop()

    def forget(self) -> None:
        """Begin anew."""
        for loop in self._loops:
            loop.forget()

    def longest_ms(self) -> float | None:
        """The longest time that a processor did not run; None if that is not known."""
        if not all(loop.real_time and loop.pinned for loop in self._loops):
            return None
        longest_ms = max(loop.longest_ms for loop in self._loops) - 1e3 / RATE_HZ
        return round(max(longest_ms, 0.0), 2)

    def words(self) -> str:
        """The same for people."""
        found = self.longest_ms()
        if found is None:
            return "whether the machine itself stood still is not known: no real-time priority here"
        return f"the machine itself stood still for {found:.1f} ms at most"
