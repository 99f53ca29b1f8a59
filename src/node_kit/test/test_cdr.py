"""What is written here is read by rclpy, and what is read here is judged as rclpy's messages are."""

from __future__ import annotations

import numpy as np
import pytest
from builtin_interfaces.msg import Duration
from hypothesis import given
from hypothesis import strategies as st
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import JointState
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from node_kit import cdr, messages
from node_kit.messages import MessageStatus

STAMP = 1_700_000_000_123_456_789
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=9)
NAMES = st.lists(TEXT, min_size=1, max_size=9, unique=True)
STAMPS = st.integers(0, 2**31 * 10**9 - 1)
NUMBERS = st.floats(width=64)
TIMES = st.floats(-1e6, 1e6)


def column(size: int) -> st.SearchStrategy:
    return st.lists(NUMBERS, min_size=size, max_size=size).map(np.array)


@st.composite
def states(draw):
    names = draw(NAMES)
    columns = [draw(column(len(names))), *(draw(st.none() | column(len(names))) for _ in range(2))]
    return names, draw(STAMPS), columns, draw(TEXT)


@st.composite
def trajectories(draw, fewest=0):
    names, times = draw(NAMES), draw(st.lists(TIMES, min_size=fewest, max_size=5))
    points = np.array([draw(column(len(names))) for _ in times]).reshape(len(times), len(names))
    return names, draw(STAMPS), times, points, draw(TEXT)


@given(states())
def test_rclpy_reads_a_joint_state(state):
    names, stamp_ns, columns, frame = state
    sent = messages.joint_state(names, stamp_ns, *columns, frame)
    received = deserialize_message(cdr.joint_state(names, stamp_ns, *columns, frame), JointState)
    assert repr(received) == repr(sent)  # equal for NaN, too


@given(trajectories())
def test_rclpy_reads_a_trajectory(trajectory):
    received = deserialize_message(cdr.joint_trajectory(*trajectory), JointTrajectory)
    assert repr(received) == repr(messages.joint_trajectory(*trajectory))


@given(states())
def test_a_joint_state_comes_back(state):
    names, stamp_ns, columns, frame = state
    data = cdr.joint_state(names, stamp_ns, *columns, frame)
    found = cdr.read_joint_state(data, names)
    assert found is not None and found[0] == stamp_ns and cdr.frame_id(data) == frame
    for read, sent in zip(found[1], columns, strict=True):
        np.testing.assert_array_equal(read, [] if sent is None else sent)


@given(trajectories(fewest=1))
def test_a_trajectory_comes_back(trajectory):
    names, stamp_ns, _, points, frame = trajectory
    sent, data = messages.joint_trajectory(*trajectory), cdr.joint_trajectory(*trajectory)
    found = cdr.read_joint_trajectory(data, names)
    assert found is not None and found[0] == stamp_ns and cdr.frame_id(data) == frame
    durations = [point.time_from_start for point in sent.points]
    assert found[1].tolist() == [duration.sec + duration.nanosec * 1e-9 for duration in durations]
    np.testing.assert_array_equal(found[2], points)


def same(found, expected) -> bool:
    """Whether two results of a reader, a tuple of arrays or a chunk and a status, are the same."""
    first, second = (
        list(vars(value).values()) if hasattr(value, "__dict__") else value for value in (found[0], expected[0])
    )
    pairs = zip(first, second, strict=True)
    return found[1] is expected[1] and all(np.array_equal(a, b) for a, b in pairs)


@given(states(), st.randoms())
def test_serialised_or_not_a_joint_state_is_judged_alike(state, random):
    names, stamp_ns, columns, frame = state
    expected = random.choice([names, random.sample(names, len(names)), names[1:], [*names, "another"]])
    message = messages.joint_state(names, stamp_ns, *columns, frame)
    for data in (serialize_message(message), cdr.joint_state(names, stamp_ns, *columns, frame)):
        assert same(messages.joint_state_arrays(data, expected), messages.joint_state_arrays(message, expected))
        assert messages.frame_id(data) == frame


@given(trajectories(), st.randoms())
def test_serialised_or_not_a_trajectory_is_judged_alike(trajectory, random):
    names = trajectory[0]
    expected = random.choice([names, random.sample(names, len(names)), names[1:], [*names, "another"]])
    message = messages.joint_trajectory(*trajectory)
    for data in (serialize_message(message), cdr.joint_trajectory(*trajectory)):
        assert same(messages.read_chunk(data, expected), messages.read_chunk(message, expected))


def unusual() -> list[JointTrajectory]:
    """Trajectories that need rclpy's reader: with velocities, of few positions, and one that is sound but for that."""
    point = {"positions": [1.0, 2.0], "time_from_start": Duration(sec=1)}
    return [
        JointTrajectory(joint_names=["a", "b"], points=[JointTrajectoryPoint(velocities=[0.0, 0.0], **point)]),
        JointTrajectory(joint_names=["a", "b"], points=[JointTrajectoryPoint(**point), JointTrajectoryPoint()]),
        JointTrajectory(joint_names=["a", "b"], points=[JointTrajectoryPoint()]),
        JointTrajectory(joint_names=["b", "a"], points=[JointTrajectoryPoint(effort=[1.0], **point)]),
    ]


@pytest.mark.parametrize("message", unusual())
def test_what_only_rclpy_reads_is_read_all_the_same(message):
    data = serialize_message(message)
    assert cdr.read_joint_trajectory(data, ["a", "b"]) is None
    assert same(messages.read_chunk(data, ["a", "b"]), messages.read_chunk(message, ["a", "b"]))


def test_a_frame_in_another_byte_order_is_left_to_rclpy():
    data = serialize_message(JointState())
    assert cdr.frame_id(data) == ""
    assert cdr.frame_id(b"\0\0" + data[2:]) is None and cdr.read_joint_state(b"\0\0" + data[2:], []) is None


@given(states(), st.integers(0, 400))
def test_a_joint_state_that_is_cut_short_is_left_to_rclpy(state, size):
    names, stamp_ns, columns, frame = state
    data = cdr.joint_state(names, stamp_ns, *columns, frame)
    if size < len(data):
        assert cdr.read_joint_state(data[:size], names) is None


@given(trajectories(fewest=1), st.integers(0, 400))
def test_a_trajectory_that_is_cut_short_is_left_to_rclpy(trajectory, size):
    data = cdr.joint_trajectory(*trajectory)
    if size < len(data):
        assert cdr.read_joint_trajectory(data[:size], trajectory[0]) is None


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_left_to_rclpy(noise):
    data = b"\0\1\0\0" + noise
    cdr.frame_id(data)
    cdr.read_joint_state(data, ["a"])
    cdr.read_joint_trajectory(data, ["a"])


@pytest.mark.parametrize("time_s", [np.nan, np.inf, 2.0**31, -(2.0**31)])
def test_a_time_that_no_message_holds_is_not_written(time_s):
    with pytest.raises(ValueError, match="times: found"):
        cdr.joint_trajectory(["a"], STAMP, [time_s], np.zeros((1, 1)))


def test_a_serialised_message_of_too_many_points_is_refused():
    times = np.arange(1, messages.MOST_POINTS + 2)
    data = cdr.joint_trajectory(["a"], STAMP, times, np.zeros((len(times), 1)))
    assert messages.read_chunk(data, ["a"])[1] is MessageStatus.WRONG_SHAPE
