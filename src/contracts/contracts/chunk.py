"""The action chunk: points that a robot passes one after the other, in straight lines between them.

Policy, codec, driver and dataset conversion interpolate, join and shorten chunks by these functions alone, so that what
is trained on, what is sent and what is driven is one path. Times are int nanoseconds on any one axis.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property

import numpy as np

SECOND = 1_000_000_000


@dataclass(frozen=True, eq=False)
class Chunk:
    """Points of a latent action or of a joint command.

    A chunk holds before its first and after its last point: it is never extrapolated.

    Attributes:
        stamp_ns: acquisition time of the observation that the chunk answers.
        times_s: (H,) seconds after the stamp, ascending.
        points: (H, n) float, in the unit of each axis (m, rad or latent).
    """

    stamp_ns: int
    times_s: np.ndarray
    points: np.ndarray

    def __len__(self) -> int:
        """Number of points, H."""
        return len(self.times_s)

    @cached_property
    def times_ns(self) -> np.ndarray:
        """(H,) int64, when each point is due."""
        return after(self.stamp_ns, self.times_s)

    @property
    def start_ns(self) -> int:
        """When the first point is due."""
        return self._due[0]

    @property
    def end_ns(self) -> int:
        """When the last point is due."""
        return self._due[-1]

    def at(self, now_ns: int) -> tuple[np.ndarray, np.ndarray]:
        """The state of the path at one time; `sample` for a single time, fast enough for a servo loop.

        Args:
            now_ns: the time.

        Returns:
            Position (n,) and velocity (n,) per second; the velocity is 0 outside of the chunk.
        """
        due, points = self._due, self.points
        following = bisect_right(due, now_ns)
        if following == 0 or following == len(due):
            edge = points[0 if following == 0 else -1]
            return edge, np.zeros_like(edge)
        start, duration = due[following - 1], due[following] - due[following - 1]
        begin, move = points[following - 1], points[following] - points[following - 1]
        return begin + move * ((now_ns - start) / duration), move * (SECOND / duration)

    def sample(self, at_ns: np.ndarray) -> np.ndarray:
        """Positions (K, n) at the times `at_ns` (K,) int64, each to the bit what `at` returns."""
        due, at_ns = self.times_ns, np.asarray(at_ns, dtype=np.int64)
        before = np.maximum(np.searchsorted(due, at_ns, side="right") - 1, 0)
        following = np.minimum(before + 1, len(due) - 1)
        duration = np.maximum(due[following] - due[before], 1)
        share = np.clip((at_ns - due[before]) / duration, 0.0, 1.0)
        begin, move = self.points[before], self.points[following] - self.points[before]
        return begin + move * share[:, None]

    def joined(self, since_ns: int, position: np.ndarray) -> Chunk:
        """The chunk as it is followed from `since_ns` on, in place of the rest of an older one.

        Args:
            since_ns: when the robot was last commanded.
            position: (n,) where to.

        Returns:
            A chunk that approaches a first point still ahead in a line from `position`. Of points already past only the
            line from the last of them matters: latency is compensated by skipping them.
        """
        if self.start_ns <= since_ns:
            return self
        times_s = np.concatenate([[(since_ns - self.stamp_ns) / SECOND], self.times_s])
        return Chunk(self.stamp_ns, times_s, np.vstack([position, self.points]))

    def until(self, end_ns: int) -> Chunk:
        """The points due up to `end_ns`, the first one in any case."""
        count = max(1, bisect_right(self._due, end_ns))
        return Chunk(self.stamp_ns, self.times_s[:count], self.points[:count])

    @cached_property
    def _due(self) -> list[int]:
        """`times_ns` as Python numbers, which are faster one at a time."""
        return self.times_ns.tolist()


def hold(point: np.ndarray, stamp_ns: int) -> Chunk:
    """The chunk that stays at `point` (n,)."""
    return Chunk(stamp_ns, np.zeros(1), np.array(point, dtype=float)[None])


def after(stamp_ns: int, times_s: np.ndarray) -> np.ndarray:
    """Times (K,) int64 ns of `times_s` (K,) seconds after `stamp_ns`."""
    return stamp_ns + np.round(np.asarray(times_s, dtype=float) * SECOND).astype(np.int64)
