"""Whether a chunk may be acted upon."""

from __future__ import annotations

import numpy as np

from hand_drivers.status import SECOND, ChunkStatus, DriverSettings

_ABSURD = 1e6  # rad, m or s: as good as infinite, and arithmetic on such numbers could overflow


def check(times_s: np.ndarray, points: np.ndarray, age_ns: int, joints: int, settings: DriverSettings) -> ChunkStatus:
    """The status of a chunk: ``points`` (H, n) at ``times_s`` (H,) after a stamp that is ``age_ns`` old."""
    if np.ndim(points) != 2 or np.shape(points)[1] != joints or np.shape(times_s) != (len(points),) or not len(points):
        return ChunkStatus.WRONG_SHAPE
    if not ((np.abs(points) < _ABSURD).all() and (np.abs(times_s) < _ABSURD).all()):  # not so for NaN either
        return ChunkStatus.NOT_FINITE
    if (np.diff(times_s) <= 0).any():
        return ChunkStatus.NOT_ASCENDING
    if age_ns > settings.max_chunk_age_s * SECOND:
        return ChunkStatus.STALE
    if age_ns < -settings.max_ahead_s * SECOND:
        return ChunkStatus.FROM_FUTURE
    return ChunkStatus.ACCEPTED
