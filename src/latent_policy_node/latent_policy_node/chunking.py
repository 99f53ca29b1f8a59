"""The cross-fade from one chunk to the next, without a jump. Pure functions; times are ns of system time.

A chunk covers more time than passes until the next one, and two chunks never agree exactly. The new chunk therefore
starts at the position of the old one. The cross-fade is in latent space, for wrist poses and hand latents alike.
"""

from __future__ import annotations

import numpy as np

from contracts.chunk import SECOND, Chunk, after

# Two points closer than this are one: a driver would see a velocity that is noise.
MIN_SPACING_S = 1e-3


def weights(times_s: np.ndarray, seam_s: float, fade_s: float) -> np.ndarray:
    """Return the share (K,) of the new chunk: 0 up to the seam, 1 from seam + fade on, linear between."""
    if fade_s <= 0:
        return (np.asarray(times_s) > seam_s).astype(float)
    return np.clip((np.asarray(times_s, dtype=float) - seam_s) / fade_s, 0.0, 1.0)


def blend(previous: Chunk, new: Chunk, now_ns: int, fade_s: float) -> Chunk:
    """Return `new` from now on, cross-faded with `previous` over `fade_s` seconds.

    The first point is the position of `previous` now; points of `new` that are already past are left out. After the end
    of `new` the result is that one point.
    """
    seam_s = (now_ns - new.stamp_ns) / SECOND
    ahead = new.times_s > seam_s + MIN_SPACING_S
    times = np.concatenate([[seam_s], new.times_s[ahead]])
    old = previous.sample(after(new.stamp_ns, times))
    share = weights(times, seam_s, fade_s)[1:, None]
    faded = old[1:] + share * (new.points[ahead] - old[1:])
    return Chunk(new.stamp_ns, times, np.concatenate([old[:1], faded]))
