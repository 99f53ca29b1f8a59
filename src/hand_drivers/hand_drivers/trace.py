"""How long a chunk takes from its arrival to the first write that acts on it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from node_kit.latency import LatencyTrace


@dataclass(frozen=True)
class _Passage:
    """A chunk on its way: when it arrived and when it was accepted, ns of the trace's clock."""

    arrived_ns: int
    accepted_ns: int


class CommandTrace:
    """Two durations of every chunk that is acted on, in ms.

    ``whole``: from arrival to the call of ``write``. A servo loop acts on the newest chunk at its next step, so this
    holds a wait of up to a period. ``overhead``: the same without that wait, which is what the software costs.

    Chunks that nobody announced with ``arrived`` are not traced; the driver alone, stepped by hand, has no clock. The
    driver calls ``accepted`` and ``sampled`` under one lock. A chunk replaced before it was acted on counts not at all.
    """

    def __init__(self, clock: Callable[[], int] = time.monotonic_ns) -> None:
        self._clock = clock
        self._arrived_ns: int | None = None
        self._waiting: _Passage | None = None
        self._sampled: _Passage | None = None
        self.whole, self.overhead = LatencyTrace(), LatencyTrace()

    def arrived(self, ago_ns: int = 0) -> None:
        """The chunk that is now to be judged came so long ago."""
        self._arrived_ns = self._clock() - max(ago_ns, 0)

    def accepted(self) -> None:
        """It is followed from now on."""
        arrived_ns, self._arrived_ns = self._arrived_ns, None
        self._waiting = None if arrived_ns is None else _Passage(arrived_ns, self._clock())

    def sampled(self) -> None:
        """The target of this period was taken from the newest chunk."""
        self._sampled, self._waiting = self._waiting, None

    def writing(self, period_ns: int) -> None:
        """The target is handed to the device; the period began at ``period_ns``."""
        passage, self._sampled = self._sampled, None
        if passage is None:
            return
        whole_ns = self._clock() - passage.arrived_ns
        waited_ns = max(period_ns - passage.accepted_ns, 0)
        self.whole.add(whole_ns * 1e-6)
        self.overhead.add((whole_ns - waited_ns) * 1e-6)
