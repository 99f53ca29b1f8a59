"""Arrays become messages and come back the same; what does not fit comes back empty."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import CameraInfo, Image, JointState
from trajectory_msgs.msg import JointTrajectory

from node_kit import messages
from node_kit.messages import MessageStatus

NAMES = ("a", "b", "c")
STAMP = 1_700_000_000_123_456_789


def chunk(points=None, times=(0.1, 0.2), names=NAMES) -> JointTrajectory:
    points = np.arange(6.0).reshape(2, 3) if points is None else np.asarray(points, float)
    return messages.joint_trajectory(names, STAMP, times, points, "space@0123456789ab")


@given(st.integers(0, 2**31 * 10**9 - 1))
def test_stamps_come_back_to_the_nanosecond(ns):
    message = JointState()
    message.header.stamp = messages.to_stamp(ns)
    assert messages.stamp_ns(message.header) == ns


def test_a_joint_state_is_read_back_unchanged():
    position, velocity, effort = np.arange(9.0).reshape(3, 3)
    sent = messages.joint_state(NAMES, STAMP, position, velocity, effort, "frame")
    received = deserialize_message(serialize_message(sent), JointState)
    arrays, status = messages.joint_state_arrays(received, NAMES)
    assert status is MessageStatus.OK and received.header.frame_id == "frame"
    assert arrays.stamp_ns == STAMP
    for found, expected in zip(arrays[1:], (position, velocity, effort), strict=True):
        assert (found == expected).all()


def test_joints_are_matched_by_name_and_missing_columns_are_none():
    message = messages.joint_state(("c", "a", "b"), STAMP, np.array([3.0, 1.0, 2.0]))
    arrays, status = messages.joint_state_arrays(message, NAMES)
    assert status is MessageStatus.OK
    assert (arrays.position == [1.0, 2.0, 3.0]).all()
    assert arrays.velocity is None and arrays.effort is None


@pytest.mark.parametrize(
    ("names", "position", "expected"),
    [
        (("a", "b"), [1, 2], MessageStatus.WRONG_NAMES),
        (("a", "b", "d"), [1, 2, 3], MessageStatus.WRONG_NAMES),
        (("a", "b", "b"), [1, 2, 3], MessageStatus.WRONG_NAMES),
        (("a", "b", "c", "d"), [1, 2, 3, 4], MessageStatus.WRONG_NAMES),
        (NAMES, [1, 2], MessageStatus.WRONG_SHAPE),
        (NAMES, [], MessageStatus.WRONG_SHAPE),
        (NAMES, [1, 2, np.nan], MessageStatus.NOT_FINITE),
        (NAMES, [1, 2, -np.inf], MessageStatus.NOT_FINITE),
    ],
)
def test_a_joint_state_that_does_not_fit_is_refused_and_empty(names, position, expected):
    message = messages.joint_state(names, STAMP, np.array(position, float))
    arrays, status = messages.joint_state_arrays(message, NAMES)
    assert status is expected
    assert arrays.position.size == 0 and arrays.stamp_ns == STAMP


def test_a_chunk_is_read_back_unchanged():
    received = deserialize_message(serialize_message(chunk()), JointTrajectory)
    found, status = messages.read_chunk(received, ("b", "c", "a"))
    assert status is MessageStatus.OK and found.stamp_ns == STAMP
    assert found.times_s == pytest.approx([0.1, 0.2])
    assert (found.points == [[1, 2, 0], [4, 5, 3]]).all()


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (chunk(names=("a", "b", "x")), MessageStatus.WRONG_NAMES),
        (chunk(points=np.zeros((2, 2))), MessageStatus.WRONG_SHAPE),
        (chunk(points=np.zeros((0, 3)), times=()), MessageStatus.WRONG_SHAPE),
        (chunk(points=[[0, 0, 0], [0, np.nan, 0]]), MessageStatus.NOT_FINITE),
        (chunk(times=(0.2, 0.1)), MessageStatus.NOT_ASCENDING),
        (chunk(times=(0.1, 0.1)), MessageStatus.NOT_ASCENDING),
    ],
)
def test_a_chunk_that_does_not_fit_is_refused_and_empty(message, expected):
    found, status = messages.read_chunk(message, NAMES)
    assert status is expected
    assert len(found) == 0 and found.points.shape == (0, 3)


def test_an_image_is_read_back_unchanged():
    rgb = np.random.default_rng(0).integers(0, 256, (4, 6, 3), np.uint8)
    received = deserialize_message(serialize_message(messages.image(rgb, STAMP, "front")), Image)
    pixels, status = messages.image_array(received)
    assert status is MessageStatus.OK and received.header.frame_id == "front"
    assert (pixels == rgb).all()


def test_an_image_in_bgr_or_with_padded_rows_is_understood():
    rgb = np.random.default_rng(1).integers(0, 256, (2, 2, 3), np.uint8)
    message = messages.image(rgb[..., ::-1], STAMP)
    message.encoding = "bgr8"
    assert (messages.image_array(message)[0] == rgb).all()
    padded = np.concatenate([rgb.reshape(2, 6), np.zeros((2, 2), np.uint8)], axis=1)
    message = Image(height=2, width=2, step=8, encoding="rgb8", data=padded.tobytes())
    assert (messages.image_array(message)[0] == rgb).all()


def test_an_image_that_does_not_fit_is_refused_and_empty():
    short = Image(height=2, width=2, step=6, encoding="rgb8", data=bytes(11))
    grey = Image(height=1, width=1, step=1, encoding="mono8", data=bytes(1))
    for message, expected in ((short, MessageStatus.WRONG_SHAPE), (grey, MessageStatus.WRONG_ENCODING)):
        pixels, status = messages.image_array(message)
        assert status is expected and pixels.size == 0


@pytest.mark.parametrize(
    ("height", "roi_height", "focal", "expected"),
    [
        (180, 0, 90.0, 90.0),
        (360, 180, 90.0, 90.0),
        (180, 0, 0.0, None),
        (0, 0, 90.0, None),
        (180, 0, math.nan, None),
        (180, 0, math.inf, None),
        (180, 0, 1e-300, None),
        (180, 0, -90.0, None),
    ],
)
def test_the_field_of_view_is_that_of_what_the_image_shows(height, roi_height, focal, expected):
    info = CameraInfo(height=height, width=320)
    info.roi.height, info.k[4] = roi_height, focal
    assert messages.fovy_deg(info) == (expected and pytest.approx(expected))


def test_pixels_of_another_kind_are_no_image():
    with pytest.raises(ValueError, match=r"found float64 \(2, 2, 3\), expected uint8"):
        messages.image(np.zeros((2, 2, 3)), STAMP)


def test_depth_is_read_back_in_mm():
    depth = np.random.default_rng(2).integers(0, 65536, (4, 6), np.uint16)
    received = deserialize_message(serialize_message(messages.depth_image(depth, STAMP, "front")), Image)
    assert (received.encoding, received.step, received.header.frame_id) == ("16UC1", 12, "front")
    assert (np.frombuffer(received.data, np.uint16).reshape(4, 6) == depth).all()
    with pytest.raises(ValueError, match=r"found float64 \(2, 2\), expected uint16"):
        messages.depth_image(np.zeros((2, 2)), STAMP)


def test_a_chunk_of_too_many_points_or_of_years_is_refused():
    times = np.arange(1, messages.MOST_POINTS + 2)
    assert messages.read_chunk(chunk(np.zeros((len(times), 3)), times), NAMES)[1] is MessageStatus.WRONG_SHAPE
    longest = chunk(np.zeros((len(times) - 1, 3)), times[:-1])
    assert messages.read_chunk(longest, NAMES)[1] is MessageStatus.OK
    late = chunk()
    late.points[-1].time_from_start.sec = 2**31 - 1
    assert messages.read_chunk(late, NAMES)[1] is MessageStatus.NOT_FINITE


@pytest.mark.parametrize(("height", "width", "step"), [(0, 0, 0), (0, 5, 15), (5, 0, 0), (5, 0, 3)])
def test_an_image_without_pixels_is_refused(height, width, step):
    message = Image(height=height, width=width, step=step, encoding="rgb8", data=bytes(step * height))
    assert messages.image_array(message)[1] is MessageStatus.WRONG_SHAPE
