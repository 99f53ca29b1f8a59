"""The content of camera_info: the ideal pinhole, the calibration file, or nothing known."""

from __future__ import annotations

import math

import numpy as np
import pytest
import yaml

from camera_node.info import calibrated, load_calibration, pinhole
from camera_node.source import SourceError

K = [300.0, 0.0, 160.5, 0.0, 301.0, 119.5, 0.0, 0.0, 1.0]
FILE = {
    "image_width": 320,
    "image_height": 240,
    "camera_name": "front",
    "camera_matrix": {"rows": 3, "cols": 3, "data": K},
    "distortion_model": "plumb_bob",
    "distortion_coefficients": {"rows": 1, "cols": 5, "data": [0.1, -0.2, 0.0, 0.0, 0.01]},
    "rectification_matrix": {"rows": 3, "cols": 3, "data": np.eye(3).ravel().tolist()},
    "projection_matrix": {"rows": 3, "cols": 4, "data": np.eye(3, 4).ravel().tolist()},
}


@pytest.mark.parametrize(("width", "height", "fovy_deg"), [(640, 480, 45.0), (320, 240, 90.0), (16, 64, 120.0)])
def test_the_edges_of_the_image_are_seen_under_the_field_of_view(width, height, fovy_deg):
    info = pinhole(width, height, fovy_deg)
    matrix = np.reshape(info.k, (3, 3))
    top, bottom = (np.linalg.solve(matrix, [width / 2, row, 1.0]) for row in (0.0, height))
    seen = math.degrees(math.atan2(-top[1], top[2]) + math.atan2(bottom[1], bottom[2]))
    assert seen == pytest.approx(fovy_deg)
    assert matrix[0, 0] == matrix[1, 1], "pixels are square"
    assert np.reshape(info.p, (3, 4))[:, :3] == pytest.approx(matrix)
    assert (info.width, info.height, list(info.d)) == (width, height, [0.0] * 5)


def test_an_unknown_field_of_view_gives_an_uncalibrated_camera():
    info = pinhole(640, 480, 0.0)
    assert not np.any(info.k) and (info.width, info.height) == (640, 480)


def test_a_calibration_file_is_published_as_it_is(tmp_path):
    path = tmp_path / "front.yaml"
    path.write_text(yaml.safe_dump(FILE))
    info = calibrated(load_calibration(path))
    assert (info.width, info.height) == (320, 240)
    assert list(info.k) == K and list(info.d) == FILE["distortion_coefficients"]["data"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"camera_matrix": {"rows": 3, "cols": 3, "data": [1.0]}}, "camera_matrix.data"),
        ({"image_width": -1}, "image_width: found -1, expected"),
        ({"image_widht": 1}, "image_widht: found an unknown field, expected 'image_width'"),
    ],
)
def test_a_wrong_calibration_file_is_one_line_naming_file_and_field(tmp_path, change, expected):
    path = tmp_path / "front.yaml"
    path.write_text(yaml.safe_dump({**FILE, **change}))
    with pytest.raises(SourceError) as raised:
        load_calibration(path)
    assert str(path) in str(raised.value) and expected in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_missing_calibration_file_is_one_line(tmp_path):
    with pytest.raises(SourceError, match=r"^.*none\.yaml: found no such file or directory, expected"):
        load_calibration(tmp_path / "none.yaml")
