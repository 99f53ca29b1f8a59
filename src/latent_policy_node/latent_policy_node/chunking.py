"""Hand-over from one chunk to the next without a jump. Pure functions; times are ns of system time.

A chunk covers more time than passes until the next one, and two chunks never agree exactly. At the seam the new chunk
therefore starts where the old one is, and takes over during the cross-fade. Blending happens in latent space: wrist
poses and hand latents alike, whatever hand is mounted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SECOND = 1_000_000_000
# Two points closer than this are one: a driver would see a velocity that is noise.
MIN_SPACING_S = 1e-3


@dataclass(frozen=True)
class Chunk:
    """Points (H, n) at ascending times_s (H,) after stamp_ns, the acquisition time of the observation behind them."""

    stamp_ns: int
    times_s: np.ndarray
    points: np.ndarray

    @property
    def end_ns(self) -> int:
        """When the last point is due."""
        return self.stamp_ns + round(float(self.times_s[-1]) * SECOND)


def hold(point: np.ndarray, stamp_ns: int) -> Chunk:
    """The chunk that stays at point (n,)."""
    return Chunk(stamp_ns, np.zeros(1), np.array(point, dtype=float)[None])


def ahead(chunk: Chunk, now_ns: int, seconds: float) -> Chunk:
    """The points up to `seconds` from now, the first in any case.

    Drivers brake a quarter of a second after the last chunk, so points far ahead are never reached; but decoding
    them costs time before the first one moves anything.
    """
    wanted = chunk.times_s <= (now_ns - chunk.stamp_ns) / SECOND + seconds
    count = max(1, int(wanted.sum()))
    return Chunk(chunk.stamp_ns, chunk.times_s[:count], chunk.points[:count])


def sample(chunk: Chunk, times_s: np.ndarray, since_ns: int) -> np.ndarray:
    """Values (K, n) at times_s (K,) after since_ns: linear between points, the first or last one outside of them."""
    local, times = np.asarray(times_s, dtype=float) + (since_ns - chunk.stamp_ns) / SECOND, chunk.times_s
    if len(times) == 1:
        return np.repeat(chunk.points, len(local), axis=0)
    after = np.clip(np.searchsorted(times, local), 1, len(times) - 1)
    before = after - 1
    share = np.clip((local - times[before]) / (times[after] - times[before]), 0.0, 1.0)[:, None]
    return chunk.points[before] + share * (chunk.points[after] - chunk.points[before])


def weights(times_s: np.ndarray, seam_s: float, fade_s: float) -> np.ndarray:
    """Share (K,) of the new chunk: 0 up to the seam, 1 from seam + fade on, linear between."""
    if fade_s <= 0:
        return (np.asarray(times_s) > seam_s).astype(float)
    return np.clip((np.asarray(times_s, dtype=float) - seam_s) / fade_s, 0.0, 1.0)


def blend(previous: Chunk, new: Chunk, now_ns: int, fade_s: float) -> Chunk:
    """`new` from now on, cross-faded with `previous` over fade_s seconds.

    The first point is where `previous` is now; points of `new` that are already past are left out. Past the end of
    `new` the result is that one point.
    """
    seam_s = (now_ns - new.stamp_ns) / SECOND
    ahead = new.times_s > seam_s + MIN_SPACING_S
    times = np.concatenate([[seam_s], new.times_s[ahead]])
    old = sample(previous, times, new.stamp_ns)
    share = weights(times, seam_s, fade_s)[1:, None]
    faded = old[1:] + share * (new.points[ahead] - old[1:])
    return Chunk(new.stamp_ns, times, np.concatenate([old[:1], faded]))
