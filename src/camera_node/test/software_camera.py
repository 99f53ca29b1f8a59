"""A RealSense camera made in software, by the library's own means."""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import threading
import time
from typing import Any

import numpy as np
from capture_bench import EXPECTED_S, PERIOD_S

with contextlib.suppress(ImportError, OSError):  # where the system has no libusb, the tests bring one
    import libusb_package

    ctypes.CDLL(str(libusb_package.get_library_path()), ctypes.RTLD_GLOBAL)

try:
    import pyrealsense2 as rs
except Exception as error:  # not installed, or a library that it needs is not
    rs, absent = None, f"pyrealsense2: {error}"
else:
    absent = ""

WIDTH, HEIGHT, FOCAL = 16, 12, 10.0
OPTIONS = {"width": WIDTH, "height": HEIGHT, "rate_hz": round(1 / EXPECTED_S), "frame_timeout_ms": 100}
SERIAL = "0123"
DEPTH_UNIT_M = 1e-4


class Camera:
    """A device of the library's own, made in software. While it is open, its condition decides:
    it gives frames, none (`silent`), the same picture (`frozen`), or is lost (`unplugged`)."""

    def __init__(self, depth: bool = False, rate_hz: int = OPTIONS["rate_hz"], stereo: str = "") -> None:
        """`depth`: its sensor is one of depth that gives color, as a D405's; `stereo`: depth comes from `this` or
        `another` sensor."""
        self._device = rs.software_device()
        self._device.register_info(rs.camera_info.serial_number, SERIAL)
        self.sensor = self._device.add_sensor("RGB Camera")
        if depth:
            self.sensor.add_read_only_option(rs.option.depth_units, DEPTH_UNIT_M)
        self._streams = [self._add_stream(1, rate_hz, scale=2), self._add_stream(2, rate_hz)]
        if stereo:
            self._add_depth(self._device.add_sensor("Stereo Module") if stereo == "another" else self.sensor, rate_hz)
        self.condition, self.resets, self.mended_by_reset = "fine", 0, False
        self._numbers = itertools.count(1)
        self._done = threading.Event()
        self._thread: threading.Thread | None = None

    def query(self) -> list[Camera]:
        """In the place of `context.query_devices`: the library does not list devices made in software."""
        return [] if self.condition == "unplugged" else [self]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._device, name)

    def is_connected(self) -> bool:
        return self.condition != "unplugged"

    def hardware_reset(self) -> None:
        self.resets += 1
        self.condition = "unplugged" if self.mended_by_reset else self.condition

    def add_option(self, option: Any, least: float, most: float) -> None:
        limits = rs.option_range()
        limits.min, limits.max, limits.step, limits.default = least, most, 1, least
        self.sensor.add_option(option, limits, True)

    def give(self, value: int, stamp_ms: float | None = None, domain: str = "system_time") -> None:
        """One frame; blue is 200, so that a mix-up of the channels shows."""
        frame = rs.software_video_frame()
        frame.pixels = np.full((HEIGHT, WIDTH, 3), (value % 256, value % 256, 200), np.uint8)
        frame.bpp, frame.stride, frame.frame_number = 3, 3 * WIDTH, next(self._numbers)
        frame.timestamp = time.time() * 1e3 if stamp_ms is None else stamp_ms
        frame.domain, frame.profile = getattr(rs.timestamp_domain, domain), self._streams[1].as_video_stream_profile()
        self.sensor.on_video_frame(frame)  # dropped by the library while the device is not open

    def give_depth(self, raw: int, stamp_ms: float) -> None:
        """One picture of depth, in units of .1 mm."""
        frame = rs.software_video_frame()
        frame.pixels = np.full((HEIGHT, WIDTH), raw, np.uint16)
        frame.bpp, frame.stride, frame.frame_number = 2, 2 * WIDTH, next(self._numbers)
        frame.timestamp, frame.domain = stamp_ms, rs.timestamp_domain.system_time
        frame.profile, frame.depth_units = self._depth.as_video_stream_profile(), DEPTH_UNIT_M
        self._stereo.on_video_frame(frame)

    def live(self, period_s: float = PERIOD_S) -> None:
        """Give frames from a thread until `end`."""
        self._thread = threading.Thread(target=self._give_frames, args=(period_s,), daemon=True)
        self._thread.start()

    def end(self) -> None:
        self._done.set()
        if self._thread is not None:
            self._thread.join()

    def _give_frames(self, period_s: float) -> None:
        value = 0
        while not self._done.wait(period_s):
            value += self.condition == "fine"
            if self.condition in ("fine", "frozen"):
                self.give(value)

    def _add_depth(self, sensor: Any, rate_hz: int) -> None:
        self._stereo = sensor
        if sensor is not self.sensor:
            sensor.add_read_only_option(rs.option.depth_units, DEPTH_UNIT_M)
        stream = self._stream(3, rate_hz, 1)
        stream.type, stream.fmt, stream.bpp = rs.stream.depth, rs.format.z16, 2
        self._depth = sensor.add_video_stream(stream)
        same = rs.extrinsics()
        same.rotation, same.translation = [1, 0, 0, 0, 1, 0, 0, 0, 1], [0, 0, 0]
        for color in self._streams:
            self._depth.register_extrinsics_to(color, same)
        self._device.create_matcher(rs.matchers.default)

    def _add_stream(self, uid: int, rate_hz: int, scale: int = 1) -> Any:
        return self.sensor.add_video_stream(self._stream(uid, rate_hz, scale))

    @staticmethod
    def _stream(uid: int, rate_hz: int, scale: int) -> Any:
        stream, lens = rs.video_stream(), rs.intrinsics()
        stream.type, stream.fmt, stream.uid, stream.bpp = rs.stream.color, rs.format.rgb8, uid, 3
        stream.width = lens.width = WIDTH * scale
        stream.height = lens.height = HEIGHT * scale
        stream.fps, lens.fx, lens.fy = rate_hz, FOCAL * scale, FOCAL * scale
        stream.intrinsics = lens
        return stream
