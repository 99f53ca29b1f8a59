"""How long a chunk takes from its arrival to the first write that acts on it."""

from __future__ import annotations

import time
from collections.abc import Callable

from contracts.latency import LatencyTrace


class CommandTrace:
    """Two durations of every chunk that is acted on, in ms.

    ``whole``: from arrival to the call of ``write``. A servo loop takes the newest chunk at its next step, so this
    holds a wait of up to a period. ``overhead``: the same from the beginning of that step on, which is what the
    software costs.

    Chunks that nobody announced with ``arrived`` are not traced; the driver alone, stepped by hand, has no clock. The
    driver calls ``accepted`` and ``sampled`` under one lock. A chunk replaced before it was acted on counts not at all.
    """

    def __init__(self, clock: Callable[[], int] = time.monotonic_ns) -> None:
        self._clock = clock
        self._arrived_ns: int | None = None  # of the chunk that is judged, then of the one accepted, then sampled
        self._accepted_ns: int | None = None
        self._sampled_ns: int | None = None
        self.whole, self.overhead = LatencyTrace(), LatencyTrace()

    def arrived(self, ago_ns: int = 0) -> None:
        """The chunk that is now to be judged came so long ago."""
        self._arrived_ns = self._clock() - max(ago_ns, 0)

    def accepted(self) -> None:
        """It is followed from now on."""
        self._accepted_ns, self._arrived_ns = self._arrived_ns, None

    def sampled(self) -> None:
        """The target of this period was taken from the newest chunk."""
        self._sampled_ns, self._accepted_ns = self._accepted_ns, None

    def writing(self, period_ns: int) -> None:
        """The target is handed to the device; the period began at ``period_ns``."""
        arrived_ns, self._sampled_ns = self._sampled_ns, None
        if arrived_ns is None:
            return
        now_ns = self._clock()
        self.whole.add((now_ns - arrived_ns) * 1e-6)
        self.overhead.add((now_ns - max(arrived_ns, period_ns)) * 1e-6)
