"""The age of frames that a camera stamps with its own clock."""

from __future__ import annotations

from collections import deque

WRAP_US = 2**32  # the cameras count microseconds in 32 bits
WINDOW = 300  # frames: long enough to contain one of least delay, short enough for the drift between the clocks


class DeviceClock:
    """Estimates the age of frames stamped by a clock with unknown offset, drift and wrap-around.

    The offset is the least difference between arrival and stamp among the last WINDOW frames: ages are never negative,
    and too small by the least delay among these frames. A jump of the camera's clock, forward or back, is a step
    forward modulo the wrap, and gives a new least difference at once. A jump back by less than a frame period
    looks like a late frame: ages are too large by the jump for WINDOW frames.
    """

    def __init__(self) -> None:
        self._last_us = self._total_us = 0
        self._differences: deque[int] = deque(maxlen=WINDOW)

    def age_ns(self, stamp_ms: float, arrival_ns: int) -> int:
        """Age of a frame at its arrival.

        Args:
            stamp_ms: Stamp of the camera's clock, ms.
            arrival_ns: Time of arrival on the monotonic clock, ns.

        Returns:
            The age, ns.
        """
        stamp_us = round(stamp_ms * 1e3)
        self._total_us += (stamp_us - self._last_us) % WRAP_US
        self._last_us = stamp_us
        self._differences.append(arrival_ns - 1000 * self._total_us)
        return self._differences[-1] - min(self._differences)
