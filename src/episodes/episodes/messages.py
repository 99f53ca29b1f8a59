"""Messages of the recorded topics to and from arrays, without ROS: CDR through the typestore of `rosbags`."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from rosbags.typesys import Stores, get_typestore
from rosbags.typesys.store import Typestore

from contracts.chunk import Chunk
from contracts.framing import Size, focal_px, pinhole_fovy_deg
from episodes.metadata import EpisodeError

IMAGE = "sensor_msgs/msg/Image"
COMPRESSED = "sensor_msgs/msg/CompressedImage"
IMAGES = (IMAGE, COMPRESSED)
CAMERA_INFO = "sensor_msgs/msg/CameraInfo"
JOINT_STATE = "sensor_msgs/msg/JointState"
TRAJECTORY = "trajectory_msgs/msg/JointTrajectory"
_CHANNELS = {"rgb8": 3, "bgr8": 3, "rgba8": 4, "bgra8": 4, "mono8": 1, "uyvy": 2, "yuyv": 2}
_SAME = {"yuv422": "uyvy", "yuv422_yuy2": "yuyv"}  # their names before ROS 2 Jazzy
_TO_RGB = {
    "bgr8": cv2.COLOR_BGR2RGB,
    "rgba8": cv2.COLOR_RGBA2RGB,
    "bgra8": cv2.COLOR_BGRA2RGB,
    "mono8": cv2.COLOR_GRAY2RGB,
    "uyvy": cv2.COLOR_YUV2RGB_UYVY,
    "yuyv": cv2.COLOR_YUV2RGB_YUY2,
}
_NS = 1_000_000_000


@lru_cache(maxsize=1)
def typestore() -> Typestore:
    """The standard message types of ROS 2 Jazzy."""
    return get_typestore(Stores.ROS2_JAZZY)


def header(stamp_ns: int, frame_id: str = "") -> Any:
    """A std_msgs/Header with a stamp in ns."""
    types = typestore().types
    stamp = types["builtin_interfaces/msg/Time"](sec=int(stamp_ns // _NS), nanosec=int(stamp_ns % _NS))
    return types["std_msgs/msg/Header"](stamp=stamp, frame_id=frame_id)


def stamp_ns(message: Any) -> int | None:
    """Acquisition stamp of a message, ns; None for messages without a header."""
    head = getattr(message, "header", None)
    return None if head is None else head.stamp.sec * _NS + head.stamp.nanosec


def header_stamp_ns(raw: bytes) -> int:
    """Stamp, ns, of a serialized message that begins with a header, without decoding the rest.

    Raises:
        EpisodeError: If the message is too short.
    """
    if len(raw) < 12:
        raise EpisodeError("", "header", f"{len(raw)} bytes", "12 or more")
    seconds, nanoseconds = struct.unpack_from("<iI" if raw[1] & 1 else ">iI", raw, 4)
    return seconds * _NS + nanoseconds


def image(at_ns: int, rgb: np.ndarray, frame_id: str = "") -> Any:
    """A sensor_msgs/Image in encoding rgb8 of `rgb` (H, W, 3) uint8.

    Raises:
        ValueError: For another shape or type.
    """
    if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8:
        raise ValueError(f"image: expected (H, W, 3) uint8, found {rgb.shape} {rgb.dtype}")
    height, width, _ = rgb.shape
    return typestore().types[IMAGE](
        header=header(at_ns, frame_id),
        height=height,
        width=width,
        encoding="rgb8",
        is_bigendian=0,
        step=3 * width,
        data=np.ascontiguousarray(rgb).reshape(-1),
    )


def camera_info(at_ns: int, size: Size, fovy_deg: float, frame_id: str = "") -> Any:
    """A sensor_msgs/CameraInfo of a pinhole camera: size (h, w) of its images, vertical field of view in degrees."""
    types, (height, width) = typestore().types, size
    f, cx, cy = focal_px(height, fovy_deg), width / 2, height / 2
    return types[CAMERA_INFO](
        header=header(at_ns, frame_id),
        height=height,
        width=width,
        distortion_model="plumb_bob",
        d=np.zeros(5),
        k=np.array([f, 0, cx, 0, f, cy, 0, 0, 1], float),
        r=np.eye(3).reshape(-1),
        p=np.array([f, 0, cx, 0, 0, f, cy, 0, 0, 0, 1, 0], float),
        binning_x=0,
        binning_y=0,
        roi=types["sensor_msgs/msg/RegionOfInterest"](x_offset=0, y_offset=0, height=0, width=0, do_rectify=False),
    )


def fovy_deg(info: Any) -> float | None:
    """Vertical field of view of the images that a CameraInfo belongs to, degrees; None if it is not calibrated.

    K is that of the whole image; a region of interest, if there is one, is what the image shows of it.
    """
    return pinhole_fovy_deg(info.roi.height or info.height, float(info.k[4]))


def joint_state(
    at_ns: int,
    names: Sequence[str],
    position: np.ndarray,
    velocity: np.ndarray | None = None,
    effort: np.ndarray | None = None,
    frame_id: str = "",
) -> Any:
    """A sensor_msgs/JointState of n joints; arrays are (n,).

    Raises:
        ValueError: For another shape.
    """
    values = [_vector(array, len(names)) for array in (position, velocity, effort)]
    return typestore().types[JOINT_STATE](
        header=header(at_ns, frame_id), name=list(names), position=values[0], velocity=values[1], effort=values[2]
    )


def trajectory(at_ns: int, names: Sequence[str], times: Sequence[float], points: np.ndarray, frame_id: str = "") -> Any:
    """A trajectory_msgs/JointTrajectory of points (H, n) at `times` (H,) seconds after the stamp."""
    points = np.asarray(points, dtype=np.float64)
    if points.shape != (len(times), len(names)):
        raise ValueError(f"trajectory: expected points ({len(times)}, {len(names)}), found {points.shape}")
    none = np.zeros(0)
    kind = typestore().types["trajectory_msgs/msg/JointTrajectoryPoint"]
    made: Any = [
        kind(positions=row, velocities=none, accelerations=none, effort=none, time_from_start=_duration(t))
        for t, row in zip(times, points, strict=True)
    ]
    return typestore().types[TRAJECTORY](header=header(at_ns, frame_id), joint_names=list(names), points=made)


def image_array(message: Any) -> np.ndarray:
    """Pixels (H, W, 3) uint8 RGB of an Image, or of a CompressedImage in JPEG, PNG or WebP.

    Raises:
        EpisodeError: For an encoding that is not supported, or data of the wrong size.
    """
    if hasattr(message, "format"):
        return _decompressed(message)
    given: str = message.encoding
    encoding = _SAME.get(given, given)
    channels = _CHANNELS.get(encoding)
    if channels is None:
        raise EpisodeError("", "encoding", repr(given), f"one of {', '.join(sorted({*_CHANNELS, *_SAME}))}")
    height, width, step = message.height, message.width, message.step
    data = np.asarray(message.data, dtype=np.uint8)
    if step < width * channels or data.size != step * height or (encoding in _SAME.values() and width % 2):
        found = f"an image of {width}x{height}, step {step}, with {data.size} bytes"
        raise EpisodeError("", "data", found, f"{step * height} bytes, a step of {width * channels} or more")
    rows = data.reshape(height, step)[:, : width * channels].reshape(height, width, channels)
    if encoding == "rgb8" or not rows.size:
        return rows[..., :3] if channels >= 3 else np.zeros((height, width, 3), np.uint8)
    return cv2.cvtColor(np.ascontiguousarray(rows), _TO_RGB[encoding])


def _decompressed(message: Any) -> np.ndarray:
    if "compressedDepth" in message.format:
        raise EpisodeError("", "format", repr(message.format), "a colour image: jpeg, png or webp")
    data = np.asarray(message.data, dtype=np.uint8)
    try:
        pixels = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    except cv2.error:
        pixels = None
    if pixels is None:
        raise EpisodeError("", "data", f"{data.size} bytes that are no {message.format!r}", "a jpeg, png or webp image")
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)


def read_chunk(message: Any) -> Chunk:
    """The chunk in a JointTrajectory.

    Raises:
        EpisodeError: If it is empty, or its points have different lengths.
    """
    names = len(message.joint_names)
    if not message.points or any(len(point.positions) != names for point in message.points):
        raise EpisodeError("", "points", "none, or one of another size", f"points of {names} positions")
    times = [point.time_from_start.sec + point.time_from_start.nanosec * 1e-9 for point in message.points]
    points = np.stack([np.asarray(point.positions, dtype=np.float64) for point in message.points])
    return Chunk(stamp_ns(message), np.array(times), points)


def _vector(values: np.ndarray | None, length: int) -> np.ndarray:
    if values is None:
        return np.zeros(0)
    vector = np.ascontiguousarray(values, dtype=np.float64)
    if vector.shape != (length,):
        raise ValueError(f"joint state: expected ({length},), found {vector.shape}")
    return vector


def _duration(seconds: float) -> Any:
    total = round(seconds * _NS)
    return typestore().types["builtin_interfaces/msg/Duration"](sec=total // _NS, nanosec=total % _NS)
