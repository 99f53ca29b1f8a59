"""The command in force: the newest acceptable chunk, how long it counts, and where it has the robot be."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from contracts.chunk import SECOND, Chunk
from contracts.freshness import Freshness, freshness
from hand_drivers.settings import DriverSettings
from hand_drivers.status import ChunkStatus

_ABSURD = 1e6  # rad, m or s: as good as infinite, and arithmetic on such numbers could overflow
_REFUSED = {Freshness.STALE: ChunkStatus.STALE, Freshness.FROM_FUTURE: ChunkStatus.FROM_FUTURE}


class Commands:
    """Chunks of ``joints`` joints, one followed at a time. Not safe between threads by itself."""

    def __init__(self, joints: int, settings: DriverSettings) -> None:
        self._joints, self._settings = joints, settings
        self._chunk: Chunk | None = None  # on the time axis of the driver
        self._ramp: RampUp | None = None
        self._stamp_ns = 0  # of the observation, system time

    def judge(self, chunk: Chunk, wall_ns: int, tracking: bool) -> ChunkStatus:
        """Whether a chunk may be followed at ``wall_ns``, a time on the axis of its stamp."""
        status = check(chunk, wall_ns, self._joints, self._settings)
        # Only while one is followed: after the system clock was set back, the first chunk past the timeout counts.
        if status is ChunkStatus.ACCEPTED and tracking and chunk.stamp_ns < self._stamp_ns:
            return ChunkStatus.SUPERSEDED
        return status

    def follow(self, chunk: Chunk, now_ns: int, wall_ns: int, position: np.ndarray, since_ns: int) -> None:
        """Replace the rest of the chunk followed so far; the robot was last commanded to ``position`` (n,), at
        ``since_ns``. From there it goes on: joined from now, every chunk would cost a period at a standstill."""
        self._stamp_ns = chunk.stamp_ns
        points = np.asarray(chunk.points, dtype=float)
        local = Chunk(chunk.stamp_ns + now_ns - wall_ns, chunk.times_s, points)
        self._chunk = local.joined(since_ns, position)

    def ramp_up(self, now_ns: int, position: np.ndarray) -> None:
        """Motion starts from rest at ``position`` (n,)."""
        self._ramp = RampUp(position, now_ns, self._settings.ramp_up_s)

    def expired(self, now_ns: int) -> bool:
        """Whether the observation behind the chunk that is followed is older than the command timeout."""
        return freshness(self._chunk.stamp_ns, now_ns, self._settings.command_timeout_s) is Freshness.STALE

    def target(self, now_ns: int) -> tuple[np.ndarray, np.ndarray]:
        """Position (n,) and velocity (n,) per s to be at now."""
        return self._ramp.apply(now_ns, *self._chunk.at(now_ns))


@dataclass(frozen=True)
class RampUp:
    """The start of a motion: from ``origin`` (n,), where the robot was at rest, over to its chunk, evenly."""

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


def check(chunk: Chunk, now_ns: int, joints: int, settings: DriverSettings) -> ChunkStatus:
    """Whether a chunk is sound by itself and fresh at ``now_ns``, a time on the axis of its stamp."""
    times_s, points = chunk.times_s, chunk.points
    if np.ndim(points) != 2 or np.shape(points)[1] != joints or np.shape(times_s) != (len(points),) or not len(points):
        return ChunkStatus.WRONG_SHAPE
    if not ((np.abs(points) < _ABSURD).all() and (np.abs(times_s) < _ABSURD).all()):  # not so for NaN either
        return ChunkStatus.NOT_FINITE
    if (np.diff(times_s) <= 0).any():
        return ChunkStatus.NOT_ASCENDING
    return _REFUSED.get(freshness(chunk.stamp_ns, now_ns, settings.command_timeout_s), ChunkStatus.ACCEPTED)
