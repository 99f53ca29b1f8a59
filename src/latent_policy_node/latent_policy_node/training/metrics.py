"""What a prediction error means: millimetres, degrees, latent units."""

from __future__ import annotations

import numpy as np

from contracts.axes import WRIST_SIZE, wrist_to_pose

POINTS = 8


def chunk_errors(predicted: np.ndarray, target: np.ndarray) -> dict[str, float]:
    """Errors of chunks (B, horizon, 2 * axes) in raw units over their first POINTS points, both sides.

    wrist_mm: mean distance; wrist_mm_p90: 90th percentile; wrist_deg: mean rotation angle; latent: RMS of z.
    """
    axes = predicted.shape[-1] // 2
    shape = (-1, axes)
    predicted = predicted[:, :POINTS].reshape(*shape).astype(float)
    target = target[:, :POINTS].reshape(*shape).astype(float)
    distance = 1e3 * np.linalg.norm(predicted[:, :3] - target[:, :3], axis=-1)
    z_error = predicted[:, WRIST_SIZE:] - target[:, WRIST_SIZE:]
    return {
        "wrist_mm": float(distance.mean()),
        "wrist_mm_p90": float(np.quantile(distance, 0.9)),
        "wrist_deg": float(np.degrees(_angles(predicted, target)).mean()),
        "latent": float(np.sqrt(np.square(z_error).mean())),
    }


def _angles(predicted: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Rotation angles (M,) rad between wrists; a prediction that is no rotation counts as pi."""
    a = wrist_to_pose(predicted[:, :WRIST_SIZE])[:, :3, :3]
    b = wrist_to_pose(target[:, :WRIST_SIZE])[:, :3, :3]
    cosine = (np.einsum("nij,nij->n", a, b) - 1) / 2
    return np.arccos(np.clip(np.nan_to_num(cosine, nan=-1.0), -1, 1))
