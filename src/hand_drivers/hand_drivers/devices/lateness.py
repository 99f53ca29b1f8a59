"""The delay of a sender's messages, without a common clock."""

from __future__ import annotations

import math

DRIFT = 5e-4  # largest drift between the two clocks, s per s; a constant delay is attributed to it over time


class Lateness:
    """The transport delay of each message of a sender, beyond the least one so far."""

    def __init__(self) -> None:
        self._quickest_s = math.inf
        self._sent_ns = self._now_ns = 0

    def of(self, sent_ns: int, now_ns: int) -> float:
        """Lateness of a message.

        A sender's clock that is set back starts a new estimate.

        Args:
            sent_ns: Time of sending, sender's clock, ns; at most 0 if unknown.
            now_ns: Time of receiving, monotonic clock, ns.

        Returns:
            Seconds beyond the least transport delay; 0 if the time of sending is unknown.
        """
        if sent_ns <= 0:
            return 0.0
        if sent_ns < self._sent_ns:
            self._quickest_s = math.inf
        way_s = 1e-9 * (now_ns - sent_ns)
        self._quickest_s = min(self._quickest_s + DRIFT * 1e-9 * (now_ns - self._now_ns), way_s)
        self._sent_ns, self._now_ns = sent_ns, now_ns
        return way_s - self._quickest_s
