"""Scaling of latent vectors to about [-1, 1], computed from the demonstrations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from contracts.axes import WRIST_SIZE
from latent_policy_node.mirror import mirror_vectors

QUANTILES = (0.002, 0.998)
# Half ranges below these are not worth amplifying: 1 cm, 0.05 of a unit column, 0.1 of a latent standard deviation.
FLOOR_POSITION, FLOOR_ROTATION, FLOOR_LATENT = 0.01, 0.05, 0.1


@dataclass(frozen=True)
class Normaliser:
    """normalised = (raw - centre) / scale, each (dims,); `bound` is the largest normalised value in the data."""

    centre: np.ndarray
    scale: np.ndarray
    bound: float

    def apply(self, raw: np.ndarray) -> np.ndarray:
        """Raw (..., dims) to normalised, float32."""
        return ((raw - self.centre) / self.scale).astype(np.float32)

    def undo(self, normalised: np.ndarray) -> np.ndarray:
        """Normalised (..., dims) to raw units."""
        return normalised * self.scale + self.centre


def scale_floor(dims: int) -> np.ndarray:
    """The smallest admissible half range of each of `dims` dimensions (both sides)."""
    side = np.full(dims // 2, FLOOR_LATENT)
    side[:3], side[3:WRIST_SIZE] = FLOOR_POSITION, FLOOR_ROTATION
    return np.concatenate([side, side])


def fit(vectors: np.ndarray) -> Normaliser:
    """Robust range of vectors (F, 2 * axes) and of their mirror images, so that mirroring commutes with scaling."""
    both = np.concatenate([vectors, mirror_vectors(vectors)])
    low, high = np.quantile(both, QUANTILES, axis=0)
    centre = ((low + high) / 2).astype(np.float32)
    scale = np.maximum((high - low) / 2, scale_floor(vectors.shape[-1])).astype(np.float32)
    bound = float(np.abs((both - centre) / scale).max())
    return Normaliser(centre, scale, min(max(1.05 * bound, 1.05), 4.0))
