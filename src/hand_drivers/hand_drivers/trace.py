"""Latency of a chunk from its arrival to the first write that executes it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from contracts.hops import DRIVER, HopLog
from contracts.latency import LatencyTrace


@dataclass(frozen=True)
class _Passing:
    """A chunk on its way; times on the clock of the trace. ``stamp_ns`` None: its observation is not known."""

    arrived_ns: int
    accepted_ns: int
    stamp_ns: int | None
    observed_ns: int


class CommandTrace:
    """Two durations of every chunk that is executed, in ms, and the ends of its hops in the driver.

    ``whole``: from arrival to the call of ``write``. A servo loop takes the newest chunk at its next step, so this
    holds a wait of up to a period. ``overhead``: the same from the beginning of that step on, which is what the
    software costs.

    Chunks without a call of ``arrived`` are not traced; nor are chunks that were superseded before they were executed.
    The driver calls ``accepted`` and ``sampled`` under one lock.
    """

    def __init__(self, clock: Callable[[], int] = time.monotonic_ns) -> None:
        self._clock = clock
        self._judged: _Passing | None = None
        self._followed: _Passing | None = None
        self._sampled: _Passing | None = None
        self.whole, self.overhead, self.hops = LatencyTrace(), LatencyTrace(), HopLog(DRIVER)

    def arrived(self, ago_ns: int = 0, stamp_ns: int | None = None, age_ns: int = 0) -> None:
        """Note the arrival of the chunk that the driver checks next.

        Args:
            ago_ns: time since its arrival.
            stamp_ns: stamp of its observation; without one no hops are noted.
            age_ns: age of that observation now.
        """
        now_ns = self._clock()
        arrived_ns = now_ns - max(ago_ns, 0)
        self._judged = _Passing(arrived_ns, arrived_ns, stamp_ns, now_ns - age_ns)

    def accepted(self) -> None:
        """Note that the chunk is followed from now on."""
        judged, self._judged = self._judged, None
        self._followed = judged and replace(judged, accepted_ns=self._clock())

    def sampled(self) -> None:
        """Note that the target of this period is from the newest chunk."""
        self._sampled, self._followed = self._followed, None

    def writing(self, period_ns: int) -> None:
        """Note the write of the target; the period began at ``period_ns``."""
        chunk, self._sampled = self._sampled, None
        if chunk is None:
            return
        now_ns = self._clock()
        self.whole.add((now_ns - chunk.arrived_ns) * 1e-6)
        self.overhead.add((now_ns - max(chunk.arrived_ns, period_ns)) * 1e-6)
        if chunk.stamp_ns is not None:
            began_ns = max(period_ns, chunk.arrived_ns)
            ends_ns = (chunk.arrived_ns, began_ns, max(began_ns, chunk.accepted_ns), now_ns)
            to_stamp_ns = chunk.stamp_ns - chunk.observed_ns
            self.hops.add(chunk.stamp_ns, *(end_ns + to_stamp_ns for end_ns in ends_ns))
