"""The streams of a RealSense camera: color, alone or with synchronised depth."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from camera_node.source import SourceError

Mode = tuple[int, int, int]  # width and height in pixels, frames per second
FARTHEST_MM = 65535


class Streams(Protocol):
    """The frames of started sensors; `queue` is where the library puts them."""

    queue: Any

    def take(self, timeout_ms: int) -> tuple[Any, np.ndarray | None] | None:
        """The newest frame.

        Args:
            timeout_ms: Longest wait, ms.

        Returns:
            The library's color frame and its depth (H, W) uint16, mm, 0 where unknown; None if none came in time.
        """
        ...


class Colors:
    """Color alone. A newer frame replaces one that was not taken."""

    def __init__(self, rs: Any) -> None:
        self.queue = rs.frame_queue(1)

    def take(self, timeout_ms: int) -> tuple[Any, np.ndarray | None] | None:
        """The newest color frame, without depth."""
        came, frame = self.queue.try_wait_for_frame(timeout_ms)
        return (frame, None) if came else None


class ColorsWithDepth:
    """Color and the depth of the same time, aligned to color.

    A color frame is delayed until its depth arrives; if none arrives, it is delivered without.

    Args:
        rs: The library.
        unit_m: Unit of the depth sensor, m.
    """

    def __init__(self, rs: Any, unit_m: float) -> None:
        self.queue = rs.syncer(1)
        self._align, self._unit_mm = rs.align(rs.stream.color), 1e3 * unit_m

    def take(self, timeout_ms: int) -> tuple[Any, np.ndarray | None] | None:
        """The newest color frame, with its depth if it has one."""
        came, frames = self.queue.try_wait_for_frames(timeout_ms)
        color = frames.get_color_frame() if came else None
        if not color:
            return None
        depth = self._align.process(frames).get_depth_frame() if frames.get_depth_frame() else None
        return color, self._in_mm(np.asanyarray(depth.get_data())) if depth else None

    def _in_mm(self, raw: np.ndarray) -> np.ndarray:
        """A copy in mm."""
        return np.minimum(np.round(raw * self._unit_mm), FARTHEST_MM).astype(np.uint16)


def find_color(rs: Any, name: str, device: Any, wanted: Mode) -> tuple[int, Any]:
    """The sensor and the profile of a color mode.

    Returns:
        Index of the sensor among the device's, and the profile.

    Raises:
        SourceError: Naming the modes of the device.
    """
    modes = _modes(device, rs.stream.color, rs.format.rgb8)
    if wanted not in modes:
        usb = rs.camera_info.usb_type_descriptor
        wire = f" over USB {device.get_info(usb)}" if device.supports(usb) else ""
        raise SourceError(f"{name}{wire}: color modes found {_listed(modes)}; expected {_words(wanted)}")
    return modes[wanted]


def find_depth(rs: Any, name: str, device: Any, color: Mode) -> tuple[int, Any]:
    """The sensor and the profile of the depth mode with the color mode's rate and the nearest size.

    Returns:
        Index of the sensor among the device's, and the profile.

    Raises:
        SourceError: Naming the modes of the device.
    """
    modes = _modes(device, rs.stream.depth, rs.format.z16)
    width, height, rate = color
    of_rate = [mode for mode in modes if mode[2] == rate]
    if not of_rate:
        raise SourceError(f"{name}: option 'depth': depth modes found {_listed(modes)}; expected one with @{rate}")
    return modes[min(of_rate, key=lambda mode: abs(mode[0] - width) + abs(mode[1] - height))]


def _modes(device: Any, stream: Any, form: Any) -> dict[Mode, tuple[int, Any]]:
    found: dict[Mode, tuple[int, Any]] = {}
    for place, sensor in enumerate(device.query_sensors()):
        for profile in sensor.get_stream_profiles():
            if profile.stream_type() == stream and profile.format() == form:
                video = profile.as_video_stream_profile()
                found.setdefault((video.width(), video.height(), video.fps()), (place, video))
    return found


def _listed(modes: dict[Mode, Any]) -> str:
    return ", ".join(map(_words, sorted(modes))) or "none"


def _words(mode: Mode) -> str:
    return "{}x{}@{}".format(*mode)
