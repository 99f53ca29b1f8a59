"""From the stamps of a camera's own clock to the age of its frames."""

from __future__ import annotations

from collections import deque

WRAP_US = 2**32  # the cameras count microseconds in 32 bits
WINDOW = 300  # frames: long enough to hold one that came quickly, short enough for clocks that drift apart


class DeviceClock:
    """Tells the age of frames that are stamped by a camera's own clock, which starts anywhere, drifts and wraps.

    The least difference between arrival and stamp among the last WINDOW frames is taken for the clocks' offset: ages
    are never negative, and too small by the least delay among these frames. A jump of the camera's clock, forward or
    back, is a step forward modulo the wrap, and such a step makes a new least difference at once. Only a jump back by
    less than the distance of two frames looks like a late frame: ages are too great by so much until WINDOW is over.
    """

    def __init__(self) -> None:
        self._last_us = self._total_us = 0
        self._differences: deque[int] = deque(maxlen=WINDOW)

    def age_ns(self, stamp_ms: float, arrival_ns: int) -> int:
        """Age at arrival (ns) of a frame stamped `stamp_ms` by the camera; `arrival_ns` on the monotonic clock."""
        stamp_us = round(stamp_ms * 1e3)
        self._total_us += (stamp_us - self._last_us) % WRAP_US
        self._last_us = stamp_us
        self._differences.append(arrival_ns - 1000 * self._total_us)
        return self._differences[-1] - min(self._differences)
