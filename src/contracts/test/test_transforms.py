"""Rotations and their roll-pitch-yaw angles."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from contracts.transforms import matrix_rpy, rpy_matrix


@given(st.floats(-3.1, 3.1), st.floats(-1.5, 1.5), st.floats(-3.1, 3.1))
def test_the_angles_of_a_rotation_give_the_rotation_back(roll, pitch, yaw):
    rotation = rpy_matrix((roll, pitch, yaw))
    np.testing.assert_allclose(rpy_matrix(matrix_rpy(rotation)), rotation, atol=1e-9)
