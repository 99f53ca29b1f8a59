"""V4L2 as far as it goes without a camera: options, absent devices, stamps, and the response to a silent camera."""

from __future__ import annotations

import time

import cv2
import numpy as np
import pytest

from camera_node.source import SourceError
from camera_node.v4l2 import V4L2Source, acquisition_ns

SECOND = 1_000_000_000


class Camera:
    """In the place of cv2.VideoCapture: a device that gives blue pictures taken 20 ms ago, is silent or is gone."""

    def __init__(self, *_: object) -> None:
        self.requested: dict[int, float] = {}
        self.condition = "fine"

    def isOpened(self) -> bool:  # noqa: N802  OpenCV's name
        return True

    def set(self, key: int, value: float) -> None:
        self.requested[key] = value

    def get(self, key: int) -> float:
        return (time.monotonic() - 0.02) * 1e3

    def read(self) -> tuple[bool, np.ndarray | None]:
        if self.condition == "silent":
            time.sleep(0.6)
        blue = np.zeros((4, 6, 3), np.uint8)
        blue[..., 0] = 255
        return (True, blue) if self.condition == "fine" else (False, None)

    def release(self) -> None:
        self.condition = "released"


@pytest.fixture
def camera() -> Camera:
    return Camera()


@pytest.fixture
def source(tmp_path, camera):
    (tmp_path / "video0").touch()
    options = {"device": str(tmp_path / "video0"), "width": 640, "rate_hz": 30}
    source = V4L2Source(options, lambda *_: camera)
    source.open()
    return source


def test_an_absent_device_is_one_line(tmp_path, capfd):
    device = tmp_path / "video7"
    with pytest.raises(SourceError) as raised:
        V4L2Source({"device": str(device)}).open()
    assert str(raised.value) == f"{device}: no such device"
    assert capfd.readouterr().err == ""


def test_a_file_that_is_no_camera_is_one_line(tmp_path):
    device = tmp_path / "video7"
    device.touch()
    source = V4L2Source({"device": str(device)})
    with pytest.raises(SourceError, match="cannot be opened as a camera") as raised:
        source.open()
    assert "\n" not in str(raised.value)
    source.close()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"devise": "/dev/video0"}, "option 'devise': found an unknown field, expected 'device'"),
        ({"device": ""}, "option 'device': found ''"),
        ({"width": -1}, "option 'width': found -1"),
        ({"rate_hz": float("nan")}, "option 'rate_hz': found nan"),
        ({"fourcc": "MJPEG"}, "option 'fourcc': found 'MJPEG'"),
    ],
)
def test_wrong_options_are_one_line_naming_the_option(options, expected):
    with pytest.raises(SourceError) as raised:
        V4L2Source(options)
    assert expected in str(raised.value) and "\n" not in str(raised.value)


def test_frames_are_rgb_and_carry_the_time_of_acquisition(source, camera):
    began_ns = time.time_ns()
    frame = source.read()
    assert frame.rgb.shape == (4, 6, 3) and (frame.rgb[0, 0] == (0, 0, 255)).all()
    assert began_ns - SECOND // 10 < frame.stamp_ns <= time.time_ns() - SECOND // 50
    assert camera.requested[cv2.CAP_PROP_FRAME_WIDTH] == 640 and camera.requested[cv2.CAP_PROP_FPS] == 30
    assert cv2.CAP_PROP_FRAME_HEIGHT not in camera.requested


def test_a_silent_camera_gives_no_frame_and_a_lost_one_is_an_error(source, camera):
    camera.condition = "silent"
    assert source.read() is None
    camera.condition = "gone"
    with pytest.raises(SourceError, match="unplugged"):
        source.read()
    source.close()
    assert camera.condition == "released"


NOW = 5000 * SECOND


@pytest.mark.parametrize(("delay_s", "age_s"), [(0.05, 0.05), (0.0, 0.0), (-0.5, 0.0), (100.0, 0.0), (-1.7e9, 0.0)])
def test_implausible_times_of_acquisition_are_replaced_by_now(delay_s, age_s):
    assert NOW - acquisition_ns(delay_s, NOW, stamps=False) == pytest.approx(age_s * SECOND, abs=1000)


def test_a_frame_from_before_a_long_pause_keeps_its_age(source, camera):
    began_ns = time.time_ns()
    assert source.read().stamp_ns > began_ns - SECOND // 10
    camera.get = lambda key: (time.monotonic() - 2.0) * 1e3  # what the queue holds when the process runs again
    frame = source.read()
    assert (time.time_ns() - frame.stamp_ns) / SECOND >= 2.0


def test_a_stamp_of_another_clock_is_replaced_by_the_time_of_reading(source, camera):
    camera.get = lambda key: 1.7e12
    began_ns = time.time_ns()
    assert began_ns <= source.read().stamp_ns <= time.time_ns()


def test_true_is_no_number_of_an_option() -> None:
    with pytest.raises(SourceError, match="option 'rate_hz': found True, expected a number"):
        V4L2Source({"device": "/dev/null", "rate_hz": True})
