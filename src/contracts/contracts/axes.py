"""The latent axes: their names, and the wrist pose written as nine numbers.

Wrist axes are the pose of a hand's grasp frame in the station frame: position in metres, then the first two columns of
the rotation matrix (the continuous 6D representation of Zhou et al., CVPR 2019), because a network can regress them
without the jumps of angles or quaternions.
"""

from __future__ import annotations

import numpy as np

WRIST_AXES: tuple[str, ...] = (
    *(f"wrist.{axis}" for axis in "xyz"),
    *(f"wrist.r{index}" for index in range(6)),
)
WRIST_SIZE = len(WRIST_AXES)

# A column shorter than this, or two columns closer to parallel than this, says nothing about a rotation.
MIN_COLUMN_NORM = 0.1


def latent_axes(latent_dim: int) -> tuple[str, ...]:
    """Names of one side's latent vector: nine wrist axes, then `z0 .. z{latent_dim - 1}`."""
    if latent_dim < 1:
        raise ValueError(f"latent_dim: found {latent_dim}, expected at least 1")
    return (*WRIST_AXES, *(f"z{index}" for index in range(latent_dim)))


def pose_to_wrist(pose: np.ndarray) -> np.ndarray:
    """Homogeneous poses (..., 4, 4) to wrist vectors (..., 9): position, first column, second column."""
    pose = np.asarray(pose, dtype=float)
    if pose.shape[-2:] != (4, 4):
        raise ValueError(f"pose: found shape {pose.shape}, expected (..., 4, 4)")
    return np.concatenate([pose[..., :3, 3], pose[..., :3, 0], pose[..., :3, 1]], axis=-1)


def wrist_to_pose(wrist: np.ndarray) -> np.ndarray:
    """Wrist vectors (..., 9) to homogeneous poses (..., 4, 4), by Gram-Schmidt.

    Columns that define no rotation (too short, or nearly parallel) give a pose of NaN, which the caller's check for
    finite values refuses. They are never replaced by another rotation.
    """
    wrist = np.asarray(wrist, dtype=float)
    if wrist.shape[-1:] != (WRIST_SIZE,):
        raise ValueError(f"wrist: found shape {wrist.shape}, expected (..., {WRIST_SIZE})")
    x = _normalised(wrist[..., 3:6])
    y_raw = _normalised(wrist[..., 6:9])
    y = _normalised(y_raw - x * np.sum(x * y_raw, axis=-1, keepdims=True))
    pose = np.zeros((*wrist.shape[:-1], 4, 4))
    pose[..., :3, 0] = x
    pose[..., :3, 1] = y
    pose[..., :3, 2] = np.cross(x, y)
    pose[..., :3, 3] = wrist[..., :3]
    pose[..., 3, 3] = 1.0
    return pose


def _normalised(vector: np.ndarray) -> np.ndarray:
    """Unit vectors (..., 3); NaN where the vector is shorter than MIN_COLUMN_NORM."""
    norm = np.linalg.norm(vector, axis=-1, keepdims=True)
    return vector / np.where(norm >= MIN_COLUMN_NORM, norm, np.nan)
