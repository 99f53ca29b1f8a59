"""A chunk being executed: where the robot has to be at a time, and how fast it is to move there."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

import numpy as np

SECOND = 1_000_000_000


class Trajectory:
    """Points (H, n) at ``times_ns``, ascending, on the time axis of the driver; straight lines between them."""

    def __init__(self, times_ns: list[int], points: np.ndarray) -> None:
        self._times, self._points = times_ns, points

    @classmethod
    def joined(cls, times_ns: list[int], points: np.ndarray, since_ns: int, position: np.ndarray) -> Trajectory:
        """The chunk from a time on. A first point still ahead is approached in a line from ``position`` (n,); of points
        already past nothing is left but the line from the last of them."""
        if times_ns[0] > since_ns:
            times_ns, points = [since_ns, *times_ns], np.vstack([position, points])
        return cls(times_ns, points)

    def sample(self, now_ns: int) -> tuple[np.ndarray, np.ndarray]:
        """Position (n,) and velocity (n,) per s at ``now_ns``; beyond its ends it stands at its first or last point."""
        after = bisect_right(self._times, now_ns)
        if after == 0 or after == len(self._times):
            edge = self._points[0 if after == 0 else -1]
            return edge, np.zeros_like(edge)
        start, duration = self._times[after - 1], self._times[after] - self._times[after - 1]
        begin, move = self._points[after - 1], self._points[after] - self._points[after - 1]
        return begin + move * ((now_ns - start) / duration), move * (SECOND / duration)


@dataclass(frozen=True)
class Blend:
    """The start of a motion: from ``origin`` (n,), where the robot stood, over to its trajectory, evenly."""

    origin: np.ndarray
    start_ns: int
    duration_s: float

    def apply(self, now_ns: int, target: np.ndarray, velocity: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Target and velocity (n,), faded in."""
        weight = self._weight(now_ns)
        return self.origin + (target - self.origin) * weight, velocity * weight

    def _weight(self, now_ns: int) -> float:
        if self.duration_s <= 0.0:
            return 1.0
        share = min(max((now_ns - self.start_ns) / (self.duration_s * SECOND), 0.0), 1.0)
        return share * share * (3.0 - 2.0 * share)
