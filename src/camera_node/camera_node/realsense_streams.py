"""The streams of a RealSense camera: color alone, or with the depth that belongs to it."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from camera_node.source import SourceError

Mode = tuple[int, int, int]  # width and height in pixels, frames per second
FARTHEST_MM = 65535


class Streams(Protocol):
    """What sensors give once they are started."""

    def take(self, timeout_ms: int) -> tuple[Any, np.ndarray | None] | None:
        """The newest color frame, the library's own, and its depth (H, W) uint16 in mm, 0 where it is not known; None
        if none came in time.
        """


class Colors:
    """Color alone. A newer frame takes the place of one that was not fetched."""

    def __init__(self, rs: Any) -> None:
        self.queue = rs.frame_queue(1)

    def take(self, timeout_ms: int) -> tuple[Any, np.ndarray | None] | None:
        came, frame = self.queue.try_wait_for_frame(timeout_ms)
        return (frame, None) if came else None


class ColorsWithDepth:
    """Color and the depth of the same moment, seen from the color's lens; `unit_m` is that of the sensor.

    A color frame waits for its depth; one whose depth does not come has none.
    """

    def __init__(self, rs: Any, unit_m: float) -> None:
        self.queue = rs.syncer(1)
        self._align, self._unit_mm = rs.align(rs.stream.color), 1e3 * unit_m

    def take(self, timeout_ms: int) -> tuple[Any, np.ndarray | None] | None:
        came, frames = self.queue.try_wait_for_frames(timeout_ms)
        color = frames.get_color_frame() if came else None
        if not color:
            return None
        depth = self._align.process(frames).get_depth_frame() if frames.get_depth_frame() else None
        return color, self._in_mm(np.asanyarray(depth.get_data())) if depth else None

    def _in_mm(self, raw: np.ndarray) -> np.ndarray:
        """A copy: the library has few frames."""
        return np.minimum(np.round(raw * self._unit_mm), FARTHEST_MM).astype(np.uint16)


def find_color(rs: Any, name: str, device: Any, wanted: Mode) -> tuple[int, Any]:
    """The sensor's place among the device's, and the profile of a color mode. SourceError names those it has."""
    modes = _modes(device, rs.stream.color, rs.format.rgb8)
    if wanted not in modes:
        usb = rs.camera_info.usb_type_descriptor
        wire = f" over USB {device.get_info(usb)}" if device.supports(usb) else ""
        raise SourceError(f"{name}{wire}: color modes found {_listed(modes)}; expected {_words(wanted)}")
    return modes[wanted]


def find_depth(rs: Any, name: str, device: Any, color: Mode) -> tuple[int, Any]:
    """As `find_color`: the depth mode of the same rate that is nearest in size."""
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
