"""Reflection of the station across its plane y = 0, in the quantities the policy sees and commands.

A left hand is the mirror image of the right one with the same joint values, so reflecting the world swaps the two
sides' latent vectors, keeps every z, and reflects wrist poses: position p -> S p, rotation R -> S R S with
S = diag(1, -1, 1). The front camera looks along that plane, so its image is flipped left to right.
"""

from __future__ import annotations

import numpy as np

# Position (x, y, z), then the first and second column of the rotation: element (i, j) gets the sign S_i S_j.
WRIST_SIGNS = np.array([1, -1, 1, 1, -1, 1, -1, 1, -1], dtype=np.float32)


def mirror_signs(axes: int) -> np.ndarray:
    """Signs (axes,) that reflect one side's latent vector of 9 wrist axes and axes - 9 z axes."""
    return np.concatenate([WRIST_SIGNS, np.ones(axes - len(WRIST_SIGNS), dtype=np.float32)])


def mirror_vectors(vectors: np.ndarray) -> np.ndarray:
    """Reflect vectors (..., 2 * axes), left side then right side."""
    axes = vectors.shape[-1] // 2
    signs = mirror_signs(axes).astype(vectors.dtype)
    return np.concatenate([vectors[..., axes:] * signs, vectors[..., :axes] * signs], axis=-1)


def mirror_image(image: np.ndarray) -> np.ndarray:
    """Reflect images (..., H, W, 3); a view."""
    return image[..., ::-1, :]
