"""Names and geometry of the latent axes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from contracts.axes import WRIST_AXES, latent_axes, pose_to_wrist, wrist_to_pose

numbers = st.floats(-3, 3, allow_nan=False, width=64)


def test_axes_are_position_then_six_rotation_numbers_then_latents():
    assert latent_axes(3) == (
        *("wrist.x", "wrist.y", "wrist.z"),
        *("wrist.r0", "wrist.r1", "wrist.r2", "wrist.r3", "wrist.r4", "wrist.r5"),
        *("z0", "z1", "z2"),
    )
    assert len(WRIST_AXES) == 9


def test_a_latent_without_dimensions_is_an_error():
    with pytest.raises(ValueError, match="latent_dim: found 0, expected at least 1"):
        latent_axes(0)


@given(arrays(float, (9,), elements=numbers))
def test_any_nine_numbers_are_a_rotation_or_nothing_at_all(wrist):
    pose = wrist_to_pose(wrist)
    rotation = pose[:3, :3]
    assert np.array_equal(pose[:3, 3], wrist[:3]) and np.array_equal(pose[3], [0, 0, 0, 1])
    if np.isnan(rotation).any():
        first, second = wrist[3:6], wrist[6:9]
        lengths = np.linalg.norm(first), np.linalg.norm(second)
        sine = np.linalg.norm(np.cross(first, second)) / max(lengths[0] * lengths[1], 1e-12)
        assert min(*lengths, sine) < 0.1001
        assert np.isnan(rotation).all(axis=0).any()
    else:
        np.testing.assert_allclose(rotation.T @ rotation, np.eye(3), atol=1e-9)
        assert np.linalg.det(rotation) == pytest.approx(1)


@given(arrays(float, (4,), elements=numbers), arrays(float, (3,), elements=numbers))
def test_a_pose_survives_being_written_as_nine_numbers(quaternion, position):
    if np.linalg.norm(quaternion) < 1e-3:
        return
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = _rotation(quaternion / np.linalg.norm(quaternion)), position
    np.testing.assert_allclose(wrist_to_pose(pose_to_wrist(pose)), pose, atol=1e-9)


@given(arrays(float, (4,), elements=numbers), st.floats(0.2, 5), st.floats(0.2, 5), st.floats(-2, 2))
def test_scaling_and_shearing_the_columns_keeps_the_rotation(quaternion, first, second, shear):
    if np.linalg.norm(quaternion) < 1e-3:
        return
    rotation = _rotation(quaternion / np.linalg.norm(quaternion))
    wrist = np.concatenate([np.zeros(3), first * rotation[:, 0], second * (rotation[:, 1] + shear * rotation[:, 0])])
    np.testing.assert_allclose(wrist_to_pose(wrist)[:3, :3], rotation, atol=1e-8)


def test_batches_of_any_shape_are_accepted():
    wrists = np.tile(pose_to_wrist(np.eye(4)), (2, 5, 1))
    assert wrist_to_pose(wrists).shape == (2, 5, 4, 4)
    assert pose_to_wrist(wrist_to_pose(wrists)).shape == (2, 5, 9)


def test_wrong_shapes_are_named():
    with pytest.raises(ValueError, match=r"wrist: found shape \(8,\), expected \(..., 9\)"):
        wrist_to_pose(np.zeros(8))
    with pytest.raises(ValueError, match=r"pose: found shape \(3, 3\), expected \(..., 4, 4\)"):
        pose_to_wrist(np.eye(3))


def _rotation(quaternion: np.ndarray) -> np.ndarray:
    w, x, y, z = quaternion
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )
