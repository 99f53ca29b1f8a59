"""Rigid transforms as (..., 4, 4) arrays; URDF's roll-pitch-yaw convention (fixed axes x, y, z)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def rpy_matrix(rpy: Sequence[float]) -> np.ndarray:
    """Return the (3, 3) rotation Rz(yaw) Ry(pitch) Rx(roll) of `rpy` in radians."""
    (cr, cp, cy), (sr, sp, sy) = np.cos(rpy), np.sin(rpy)
    return np.array(
        [
            [cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr],
            [sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr],
            [-sp, cp * sr, cp * cr],
        ]
    )


def matrix_rpy(rotation: np.ndarray) -> np.ndarray:
    """Return the roll, pitch, yaw (3,) of a (3, 3) rotation; roll is 0 where pitch is +-pi/2."""
    pitch = np.arctan2(-rotation[2, 0], np.hypot(rotation[0, 0], rotation[1, 0]))
    if np.hypot(rotation[0, 0], rotation[1, 0]) < 1e-9:
        return np.array([0.0, pitch, np.arctan2(-rotation[0, 1], rotation[1, 1])])
    roll = np.arctan2(rotation[2, 1], rotation[2, 2])
    return np.array([roll, pitch, np.arctan2(rotation[1, 0], rotation[0, 0])])


def quaternions(rotations: np.ndarray) -> np.ndarray:
    """Return the unit quaternions x, y, z, w (..., 4) of rotations (..., 3, 3).

    Of the four ways to compute one (Shepperd, 1978), that with the largest divisor.
    """
    m = rotations
    xx, yy, zz = m[..., 0, 0], m[..., 1, 1], m[..., 2, 2]
    xy, xz, yz = m[..., 0, 1] + m[..., 1, 0], m[..., 0, 2] + m[..., 2, 0], m[..., 1, 2] + m[..., 2, 1]
    xw, yw, zw = m[..., 2, 1] - m[..., 1, 2], m[..., 0, 2] - m[..., 2, 0], m[..., 1, 0] - m[..., 0, 1]
    # Row i is 4 q_i q: the one of the largest component is divided by its length.
    rows = np.array(
        [
            [1 + xx - yy - zz, xy, xz, xw],
            [xy, 1 - xx + yy - zz, yz, yw],
            [xz, yz, 1 - xx - yy + zz, zw],
            [xw, yw, zw, 1 + xx + yy + zz],
        ]
    )
    rows = np.moveaxis(rows, (0, 1), (-2, -1))
    largest = np.argmax(np.diagonal(rows, axis1=-2, axis2=-1), axis=-1)
    chosen = np.take_along_axis(rows, largest[..., None, None], axis=-2)[..., 0, :]
    return chosen / np.linalg.norm(chosen, axis=-1, keepdims=True)


def pose(xyz: Sequence[float] = (0, 0, 0), rpy: Sequence[float] = (0, 0, 0)) -> np.ndarray:
    """Return the (4, 4) transform with translation `xyz` (m) and rotation `rpy` (rad)."""
    transform = np.eye(4)
    transform[:3, :3] = rpy_matrix(rpy)
    transform[:3, 3] = xyz
    return transform


def inverse(transform: np.ndarray) -> np.ndarray:
    """Return the inverse of rigid transforms (..., 4, 4)."""
    rotation = np.swapaxes(transform[..., :3, :3], -1, -2)
    result = np.zeros_like(transform)
    result[..., :3, :3] = rotation
    result[..., :3, 3] = -(rotation @ transform[..., :3, 3:])[..., 0]
    result[..., 3, 3] = 1.0
    return result


def skew(vector: np.ndarray) -> np.ndarray:
    """Return the (3, 3) cross-product matrix of a (3,) vector."""
    x, y, z = vector
    return np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]], dtype=float)
