"""The command in force: the newest acceptable chunk, how long it counts, and where it has the robot be."""

from __future__ import annotations

import numpy as np

from hand_drivers.status import SECOND, ChunkStatus, DriverSettings
from hand_drivers.trajectory import Blend, Trajectory

_ABSURD = 1e6  # rad, m or s: as good as infinite, and arithmetic on such numbers could overflow


class Commands:
    """Chunks of ``joints`` joints, one followed at a time. Not safe between threads by itself."""

    def __init__(self, joints: int, settings: DriverSettings) -> None:
        self._joints, self._settings = joints, settings
        self._trajectory: Trajectory | None = None
        self._blend: Blend | None = None
        self._stamp_ns = self._observed_ns = 0

    def judge(self, stamp_ns: int, times_s: np.ndarray, points: np.ndarray, age_ns: int, tracking: bool) -> ChunkStatus:
        """Whether a chunk, ``points`` (H, n) at ``times_s`` (H,) after its stamp, may be followed."""
        status = check(times_s, points, age_ns, self._joints, self._settings)
        # Only while one is followed: after the system clock was set back, the first chunk past the timeout counts.
        if status is ChunkStatus.ACCEPTED and tracking and stamp_ns < self._stamp_ns:
            return ChunkStatus.SUPERSEDED
        return status

    def follow(
        self,
        stamp_ns: int,
        times_s: np.ndarray,
        points: np.ndarray,
        age_ns: int,
        now_ns: int,
        position: np.ndarray,
        since_ns: int,
    ) -> None:
        """Replace the rest of the chunk followed so far; the robot was last commanded to ``position`` (n,), at
        ``since_ns``. From there it goes on: joined from now, every chunk would cost a period at a standstill."""
        times_ns = [now_ns - age_ns + round(float(time) * SECOND) for time in times_s]
        self._trajectory = Trajectory.joined(times_ns, np.array(points, float), since_ns, position)
        self._stamp_ns, self._observed_ns = stamp_ns, now_ns - age_ns

    def fade_in(self, now_ns: int, position: np.ndarray) -> None:
        """Motion starts from rest at ``position`` (n,)."""
        self._blend = Blend(position, now_ns, self._settings.blend_s)

    def expired(self, now_ns: int) -> bool:
        """Whether what the chunk followed was made from was seen longer ago than the command timeout."""
        return now_ns - self._observed_ns > self._settings.command_timeout_s * SECOND

    def target(self, now_ns: int) -> tuple[np.ndarray, np.ndarray]:
        """Position (n,) and velocity (n,) per s to be at now."""
        return self._blend.apply(now_ns, *self._trajectory.sample(now_ns))


def check(times_s: np.ndarray, points: np.ndarray, age_ns: int, joints: int, settings: DriverSettings) -> ChunkStatus:
    """Whether a chunk whose stamp is ``age_ns`` old is sound by itself."""
    if np.ndim(points) != 2 or np.shape(points)[1] != joints or np.shape(times_s) != (len(points),) or not len(points):
        return ChunkStatus.WRONG_SHAPE
    if not ((np.abs(points) < _ABSURD).all() and (np.abs(times_s) < _ABSURD).all()):  # not so for NaN either
        return ChunkStatus.NOT_FINITE
    if (np.diff(times_s) <= 0).any():
        return ChunkStatus.NOT_ASCENDING
    if age_ns > settings.command_timeout_s * SECOND:
        return ChunkStatus.STALE
    if age_ns < -settings.max_ahead_s * SECOND:
        return ChunkStatus.FROM_FUTURE
    return ChunkStatus.ACCEPTED
