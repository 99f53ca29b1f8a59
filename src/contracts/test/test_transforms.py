"""Rotations and their roll-pitch-yaw angles."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from contracts.transforms import matrix_rpy, quaternions, rpy_matrix


@given(st.floats(-3.1, 3.1), st.floats(-1.5, 1.5), st.floats(-3.1, 3.1))
def test_the_angles_of_a_rotation_give_the_rotation_back(roll, pitch, yaw):
    rotation = rpy_matrix((roll, pitch, yaw))
    np.testing.assert_allclose(rpy_matrix(matrix_rpy(rotation)), rotation, atol=1e-9)


ANGLE = st.floats(-3.2, 3.2) | st.sampled_from([0.0, np.pi, -np.pi, np.pi / 2])


@given(st.lists(st.tuples(ANGLE, ANGLE, ANGLE), min_size=1, max_size=5))
def test_the_quaternion_of_a_rotation_turns_vectors_as_it_does(angles):
    rotations = np.array([rpy_matrix(each) for each in angles])
    found = quaternions(rotations)
    np.testing.assert_allclose(np.linalg.norm(found, axis=-1), 1.0, atol=1e-12)
    for (x, y, z, w), rotation in zip(found, rotations, strict=True):
        axis, vector = np.array([x, y, z]), np.array([0.3, -0.5, 0.8])
        turned = vector + 2 * np.cross(axis, np.cross(axis, vector) + w * vector)
        np.testing.assert_allclose(turned, rotation @ vector, atol=1e-9)
