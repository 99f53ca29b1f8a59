"""Conversions between arrays and standard messages.

Readers return ``(arrays, status)``: with any status but ``OK`` the arrays are empty, so that values of a refused
message cannot be used. Times are int nanoseconds of ROS system time; joints are matched by name, in any order.
"""

from __future__ import annotations

import enum
import sys
from array import array
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from builtin_interfaces.msg import Duration, Time
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CameraInfo, Image, JointState, TimeReference
from std_msgs.msg import Header
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from contracts.chunk import SECOND, Chunk
from contracts.framing import pinhole_fovy_deg
from node_kit import cdr

MOST_POINTS = 512  # of a chunk: twice the longest horizon of a policy; bounds the time that reading takes
_LONGEST_S = 1e6  # beyond any use, and far below what a Duration can hold
_BYTES_PER_PIXEL = 3
ENCODINGS = ("rgb8", "bgr8")  # of images that are read


class MessageStatus(str, enum.Enum):
    """Why a message was refused, or ``OK``."""

    OK = "ok"
    WRONG_NAMES = "wrong_names"
    WRONG_SHAPE = "wrong_shape"
    NOT_FINITE = "not_finite"
    NOT_ASCENDING = "not_ascending"
    WRONG_ENCODING = "wrong_encoding"

    def __str__(self) -> str:
        return self.value


class JointArrays(NamedTuple):
    """A joint state in the expected order; ``velocity`` and ``effort`` are None where the message has none."""

    stamp_ns: int
    position: np.ndarray
    velocity: np.ndarray | None = None
    effort: np.ndarray | None = None


def to_stamp(ns: int) -> Time:
    """The time stamp message of ``ns`` nanoseconds."""
    return Time(sec=int(ns // SECOND), nanosec=int(ns % SECOND))


def stamp_ns(header: Header) -> int:
    """The header's stamp in nanoseconds."""
    return nanoseconds(header.stamp)


def nanoseconds(time: Time) -> int:
    """A time stamp message in nanoseconds."""
    return time.sec * SECOND + time.nanosec


def joint_state(
    names: Sequence[str],
    stamp_ns: int,
    position: np.ndarray,
    velocity: np.ndarray | None = None,
    effort: np.ndarray | None = None,
    frame_id: str = "",
) -> JointState:
    """A JointState of ``names`` (n) with arrays (n,) in rad, rad/s, Nm (m, m/s, N for prismatic joints)."""
    message = JointState(name=list(names), position=_doubles(position))
    message.header.stamp, message.header.frame_id = to_stamp(stamp_ns), frame_id
    if velocity is not None:
        message.velocity = _doubles(velocity)
    if effort is not None:
        message.effort = _doubles(effort)
    return message


def joint_trajectory(
    names: Sequence[str], stamp_ns: int, times_s: Sequence[float], points: np.ndarray, frame_id: str = ""
) -> JointTrajectory:
    """A chunk: ``points`` (H, n) at ``times_s`` (H,) seconds after ``stamp_ns``, the stamp of its observation."""
    message = JointTrajectory(joint_names=list(names))
    message.header.stamp, message.header.frame_id = to_stamp(stamp_ns), frame_id
    message.points = [
        JointTrajectoryPoint(positions=_doubles(point), time_from_start=_duration(time))
        for time, point in zip(times_s, points, strict=True)
    ]
    return message


def time_reference(stamp_ns: int, reference_ns: int, source: str) -> TimeReference:
    """A TimeReference: with what has the stamp ``stamp_ns`` belongs what ``source`` gave at ``reference_ns``."""
    message = TimeReference(time_ref=to_stamp(reference_ns), source=source)
    message.header.stamp = to_stamp(stamp_ns)
    return message


def image(rgb: np.ndarray, stamp_ns: int, frame_id: str = "") -> Image:
    """An rgb8 Image of ``rgb`` (H, W, 3) uint8."""
    height, width, channels = rgb.shape
    if rgb.dtype != np.uint8 or channels != _BYTES_PER_PIXEL:
        raise ValueError(f"image: found {rgb.dtype} {rgb.shape}, expected uint8 (H, W, 3)")
    message = Image(height=height, width=width, encoding="rgb8", step=width * _BYTES_PER_PIXEL)
    message.header.stamp, message.header.frame_id = to_stamp(stamp_ns), frame_id
    message.data = array("B", np.ascontiguousarray(rgb).tobytes())  # rclpy checks a list byte by byte
    return message


def depth_image(depth: np.ndarray, stamp_ns: int, frame_id: str = "") -> Image:
    """A 16UC1 Image of ``depth`` (H, W) uint16, mm (REP 118)."""
    if depth.dtype != np.uint16 or depth.ndim != 2:
        raise ValueError(f"depth: found {depth.dtype} {depth.shape}, expected uint16 (H, W)")
    height, width = depth.shape
    message = Image(height=height, width=width, encoding="16UC1", step=width * depth.itemsize)
    message.header.stamp, message.header.frame_id = to_stamp(stamp_ns), frame_id
    message.is_bigendian = int(sys.byteorder == "big")
    message.data = array("B", np.ascontiguousarray(depth).tobytes())
    return message


def image_array(message: Image) -> tuple[np.ndarray, MessageStatus]:
    """The pixels of an rgb8 or bgr8 Image.

    Returns:
        Pixels (H, W, 3) uint8 in RGB order, a view of the message's data, and the status.
    """
    empty = np.empty((0, 0, _BYTES_PER_PIXEL), np.uint8)
    if message.encoding not in ENCODINGS:
        return empty, MessageStatus.WRONG_ENCODING
    row = message.width * _BYTES_PER_PIXEL
    if not row or message.step < row or not message.height or len(message.data) != message.step * message.height:
        return empty, MessageStatus.WRONG_SHAPE
    rows = np.frombuffer(message.data, np.uint8).reshape(message.height, message.step)[:, :row]
    pixels = rows.reshape(message.height, message.width, _BYTES_PER_PIXEL)
    return (pixels if message.encoding == "rgb8" else pixels[..., ::-1]), MessageStatus.OK


def fovy_deg(info: CameraInfo) -> float | None:
    """Vertical field of view of the images that belong to a CameraInfo, degrees; None if it is not calibrated.

    K is that of the whole image; a region of interest, if there is one, is what the images show of it.
    """
    return pinhole_fovy_deg(info.roi.height or info.height, float(info.k[4]))


def frame_id(message: bytes) -> str:
    """The frame of a serialised message that begins with a header."""
    found = cdr.frame_id(message)
    return _deserialised(message, Header).frame_id if found is None else found


def joint_state_arrays(message: JointState | bytes, expected_names: Sequence[str]) -> tuple[JointArrays, MessageStatus]:
    """Position, velocity and effort of a joint state, in the expected order.

    Args:
        message: The joint state, its joints in any order; serialised or not.
        expected_names: The n joint names; the message must hold each once, and no other.

    Returns:
        Arrays (n,) and the status.

    Raises:
        RCLError: If serialised data is no joint state.
    """
    found = cdr.read_joint_state(message, expected_names) if isinstance(message, bytes) else None
    if found is not None:
        return _sound_state(found[0], found[1], len(expected_names))
    sent = _deserialised(message, JointState)
    stamp, order = stamp_ns(sent.header), _order(sent.name, expected_names)
    if order is None:
        return JointArrays(stamp, np.empty(0)), MessageStatus.WRONG_NAMES
    columns = [np.asarray(column, float) for column in (sent.position, sent.velocity, sent.effort)]
    ordered = [column[order] if len(column) == len(order) else column for column in columns]
    return _sound_state(stamp, ordered, len(order))


def _sound_state(stamp: int, columns: Sequence[np.ndarray], count: int) -> tuple[JointArrays, MessageStatus]:
    """Position, velocity and effort if their shape is right and all numbers are finite; the last two may be empty."""
    refused = JointArrays(stamp, np.empty(0))
    sizes = [len(column) for column in columns]
    if sizes[0] != count or any(size not in (0, count) for size in sizes[1:]):
        return refused, MessageStatus.WRONG_SHAPE
    if not all(np.isfinite(column).all() for column in columns):
        return refused, MessageStatus.NOT_FINITE
    position, *others = columns
    return JointArrays(stamp, position, *(column if len(column) else None for column in others)), MessageStatus.OK


def read_chunk(message: JointTrajectory | bytes, expected_names: Sequence[str]) -> tuple[Chunk, MessageStatus]:
    """The chunk in a trajectory message, in the expected joint order.

    Args:
        message: 1 to MOST_POINTS points at ascending times, joints in any order; serialised or not.
        expected_names: The n joint names; the message must hold each once, and no other.

    Returns:
        The chunk, points (H, n), and the status.

    Raises:
        RCLError: If serialised data is no trajectory.
    """
    found = cdr.read_joint_trajectory(message, expected_names) if isinstance(message, bytes) else None
    if found is not None:
        return _sound_chunk(*found)
    sent, count = _deserialised(message, JointTrajectory), len(expected_names)
    stamp, order = stamp_ns(sent.header), _order(sent.joint_names, expected_names)
    refused = Chunk(stamp, np.empty(0), np.empty((0, count)))
    if order is None:
        return refused, MessageStatus.WRONG_NAMES
    if not 0 < len(sent.points) <= MOST_POINTS or any(len(point.positions) != count for point in sent.points):
        return refused, MessageStatus.WRONG_SHAPE
    points = np.array([point.positions for point in sent.points], float)[:, order]
    times = np.array([point.time_from_start.sec + point.time_from_start.nanosec * 1e-9 for point in sent.points])
    return _sound_chunk(stamp, times, points)


def _sound_chunk(stamp: int, times: np.ndarray, points: np.ndarray) -> tuple[Chunk, MessageStatus]:
    """The chunk if there are not too many points, all numbers are finite and the times ascend; else an empty one."""
    refused = Chunk(stamp, np.empty(0), np.empty((0, points.shape[1])))
    if len(times) > MOST_POINTS:
        return refused, MessageStatus.WRONG_SHAPE
    if not np.isfinite(points).all() or (np.abs(times) > _LONGEST_S).any():
        return refused, MessageStatus.NOT_FINITE
    if (np.diff(times) <= 0).any():
        return refused, MessageStatus.NOT_ASCENDING
    return Chunk(stamp, times, points), MessageStatus.OK


def _deserialised(message: Any, kind: type) -> Any:
    return deserialize_message(message, kind) if isinstance(message, bytes) else message


def _order(found: Sequence[str], expected: Sequence[str]) -> list[int] | None:
    """Index in ``found`` of each expected name; None unless both hold the same names, each once."""
    if list(found) == list(expected):
        return list(range(len(expected)))
    places = {name: place for place, name in enumerate(found)}
    if len(places) != len(found) or places.keys() != set(expected):
        return None
    return [places[name] for name in expected]


def _doubles(values: np.ndarray) -> array:
    return array("d", np.ascontiguousarray(values, dtype=np.float64).tobytes())


def _duration(seconds: float) -> Duration:
    ns = round(float(seconds) * SECOND)
    return Duration(sec=ns // SECOND, nanosec=ns % SECOND)
