"""How late the messages of a sender come, without a clock that it shares with us."""

from __future__ import annotations

import math

DRIFT = 5e-4  # s per s by which the two clocks may drift apart; what is late for so long that this forgives it, is not


class Lateness:
    """How much longer each message of one sender was on its way than the quickest one so far."""

    def __init__(self) -> None:
        self._quickest_s = math.inf
        self._sent_ns = self._now_ns = 0

    def of(self, sent_ns: int, now_ns: int) -> float:
        """Lateness, s, of a message sent at `sent_ns` by its sender's clock, found at `now_ns` by one that nobody sets;
        0 where it is not said when it was sent. A sender whose clock is set back begins anew.
        """
        if sent_ns <= 0:
            return 0.0
        if sent_ns < self._sent_ns:
            self._quickest_s = math.inf
        way_s = 1e-9 * (now_ns - sent_ns)
        self._quickest_s = min(self._quickest_s + DRIFT * 1e-9 * (now_ns - self._now_ns), way_s)
        self._sent_ns, self._now_ns = sent_ns, now_ns
        return way_s - self._quickest_s
