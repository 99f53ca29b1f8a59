"""The chunk that a driver follows: which chunks it accepts, until when it follows one, and the target at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from contracts.chunk import SECOND, Chunk, hold
from contracts.freshness import Freshness, freshness
from hand_drivers.settings import DriverSettings
from hand_drivers.status import ChunkStatus

_LARGEST = 1e6  # rad, m or s: beyond any use; arithmetic on larger numbers could overflow
_REFUSED = {Freshness.STALE: ChunkStatus.STALE, Freshness.FROM_FUTURE: ChunkStatus.FROM_FUTURE}


class Commands:
    """Chunks of ``joints`` joints, one followed at a time. The caller locks: any thread may be in one method."""

    def __init__(self, joints: int, settings: DriverSettings) -> None:
        self._joints, self.settings = joints, settings
        self._chunk = hold(np.zeros(joints), 0)  # on the time axis of the driver
        self._ramp = RampUp(np.zeros(joints), 0, 0.0)
        self._stamp_ns = 0  # of the observation, system time

    def judge(self, chunk: Chunk, wall_ns: int, tracking: bool) -> ChunkStatus:
        """Return whether a chunk may be followed.

        Args:
            chunk: The chunk, its stamp in system time.
            wall_ns: Now, in system time.
            tracking: Whether the driver follows a chunk already.
        """
        status = check(chunk, wall_ns, self._joints, self.settings)
        # Only while one is followed: after the system clock was set back, the first chunk past the timeout counts.
        if status is ChunkStatus.ACCEPTED and tracking and chunk.stamp_ns < self._stamp_ns:
            return ChunkStatus.SUPERSEDED
        return status

    def follow(self, chunk: Chunk, now_ns: int, wall_ns: int, position: np.ndarray, since_ns: int) -> None:
        """Replace the rest of the running chunk.

        The new chunk starts from the last command, not from now: otherwise each chunk would cost a period at rest.

        Args:
            chunk: The chunk, its stamp in system time.
            now_ns: Now, on the time axis of the driver.
            wall_ns: The same instant in system time.
            position: (n,) the last command.
            since_ns: When it was given, on the time axis of the driver.
        """
        self._stamp_ns = chunk.stamp_ns
        points = np.asarray(chunk.points, dtype=float)
        local = Chunk(chunk.stamp_ns + now_ns - wall_ns, chunk.times_s, points)
        self._chunk = local.joined(since_ns, position)

    def ramp_up(self, now_ns: int, position: np.ndarray) -> None:
        """Start a motion from rest at ``position`` (n,)."""
        self._ramp = RampUp(position, now_ns, self.settings.ramp_up_s)

    def expired(self, now_ns: int) -> bool:
        """Return whether the observation of the running chunk is older than the command timeout."""
        return freshness(self._chunk.stamp_ns, now_ns, self.settings.command_timeout_s) is Freshness.STALE

    def target(self, now_ns: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the target position (n,) and velocity (n,) per second."""
        return self._ramp.apply(now_ns, *self._chunk.at(now_ns))


@dataclass(frozen=True)
class RampUp:
    """The start of a motion: a smooth transition from ``origin`` (n,), where the robot is at rest, to its chunk."""

    origin: np.ndarray
    start_ns: int
    duration_s: float

    def apply(self, now_ns: int, target: np.ndarray, velocity: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the target and its velocity (n,) during the transition."""
        weight = self._weight(now_ns)
        return self.origin + (target - self.origin) * weight, velocity * weight

    def _weight(self, now_ns: int) -> float:
        if self.duration_s <= 0.0:
            return 1.0
        share = min(max((now_ns - self.start_ns) / (self.duration_s * SECOND), 0.0), 1.0)
        return share * share * (3.0 - 2.0 * share)


def check(chunk: Chunk, now_ns: int, joints: int, settings: DriverSettings) -> ChunkStatus:
    """Return whether a chunk has ``joints`` joints, finite values and ascending times, and is fresh at ``now_ns``."""
    times_s, points = chunk.times_s, chunk.points
    if np.ndim(points) != 2 or np.shape(points)[1] != joints or np.shape(times_s) != (len(points),) or not len(points):
        return ChunkStatus.WRONG_SHAPE
    if not ((np.abs(points) < _LARGEST).all() and (np.abs(times_s) < _LARGEST).all()):  # false for NaN, too
        return ChunkStatus.NOT_FINITE
    if (np.diff(times_s) <= 0).any():
        return ChunkStatus.NOT_ASCENDING
    return _REFUSED.get(freshness(chunk.stamp_ns, now_ns, settings.command_timeout_s), ChunkStatus.ACCEPTED)
