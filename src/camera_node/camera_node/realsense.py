"""Color and optionally depth of an Intel RealSense camera, through pyrealsense2.

See docs/reference/devices/realsense.md.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from camera_node.device_clock import DeviceClock
from camera_node.realsense_streams import Colors, ColorsWithDepth, Streams, find_color, find_depth
from camera_node.source import Frame, SourceError, parse_options
from contracts.framing import pinhole_fovy_deg

MOST_RESETS = 3  # without a frame in between
COLOR_EXPOSURE_US = 100  # unit of the exposure of a color sensor; that of a depth sensor is 1 us


class RealSenseOptions(BaseModel):
    """Selects a RealSense camera and its mode."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    serial: str = Field(default="", description="serial number; may be empty if only one camera is connected")
    width: int = Field(default=640, gt=0, le=8192, description="pixels; given as the node's parameter")
    height: int = Field(default=480, gt=0, le=8192, description="pixels; given as the node's parameter")
    rate_hz: int = Field(default=30, gt=0, le=300, description="frames per second; given as the node's parameter")
    exposure_us: int = Field(
        default=0, ge=0, le=1_000_000, description="exposure, us, for color in steps of 100; 0: automatic"
    )
    gain: int = Field(
        default=0, ge=0, le=1000, description="gain in the sensor's unit, with a fixed exposure; 0: unchanged"
    )
    depth: bool = Field(default=False, description="also publish depth, aligned to color")
    frame_timeout_ms: int = Field(
        default=500, ge=1, le=1500, description="wait for a frame before checking the connection, ms"
    )
    reset_after_failures: int = Field(
        default=2, ge=0, le=100, description="openings without a frame before a hardware reset; 0: never"
    )

    @field_validator("gain")
    @classmethod
    def _is_not_automatic(cls, gain: int, info: ValidationInfo) -> int:
        if gain and not info.data.get("exposure_us"):
            raise ValueError("expected 0 while 'exposure_us' is 0: an automatic exposure sets the gain too")
        return gain


class RealSenseSource:
    """Color frames stamped with the time of acquisition.

    Args:
        options: Those of RealSenseOptions.
        query: Returns the connected devices; that of the library by default.
    """

    adjustable = always_changes = True

    def __init__(self, options: Mapping[str, Any], query: Callable[[], Iterable[Any]] | None = None) -> None:
        self._options = parse_options(RealSenseOptions, options)
        self._query = query
        self._device: Any = None
        self._sensors: list[Any] = []
        self._streams: Streams | None = None
        self._failures = self._resets = 0  # since the last frame
        self._name = "realsense"
        self.rate_hz = float(self._options.rate_hz)
        self.fovy_deg = 0.0
        self.gives_depth = self._options.depth

    def open(self) -> None:
        """Find the camera and start its streams.

        Raises:
            SourceError: If that fails, and after a hardware reset, which disconnects the camera.
        """
        rs = _library()
        if self._query is None:
            self._query = rs.context().query_devices
        try:
            serial, self._device = choose(_connected(rs, self._query), self._options.serial)
            self._name = f"realsense {serial}"
            self._reset_if_due()
            self._start(rs)
        except SourceError:
            raise
        except RuntimeError as error:  # the only type that the library raises
            # A busy camera must not be reset: another program uses it.
            self._failures += "busy" not in str(error).lower()
            raise SourceError(f"{self._name}: {error}") from None

    def read(self) -> Frame | None:
        """The newest frame, None if none came in time.

        Raises:
            SourceError: If the camera is disconnected.
        """
        if self._streams is None:
            raise SourceError(f"{self._name}: not open")
        taken = self._streams.take(self._options.frame_timeout_ms)
        if taken is None:
            if not self._device.is_connected():
                raise SourceError(f"{self._name}: gone, it was probably unplugged")
            return None
        frame, depth = taken
        stamp_ns = self._stamp_ns(frame)
        self._failures = self._resets = 0
        return Frame(
            stamp_ns, np.array(frame.as_video_frame().get_data()), depth
        )  # a copy: the library's pool is small

    def close(self) -> None:
        """Stop the streams and release the camera."""
        sensors, self._sensors, self._device, self._streams = self._sensors, [], None, None
        for sensor in sensors:
            for release in (sensor.stop, sensor.close):
                with suppress(RuntimeError):  # of a camera that never started, or is disconnected
                    release()

    def _reset_if_due(self) -> None:
        due = self._options.reset_after_failures
        if not due or self._failures < due or self._resets == MOST_RESETS:
            return
        self._failures, self._resets = 0, self._resets + 1
        text = f"{self._name}: no frame after opening it {due} times, reset {self._resets} of {MOST_RESETS}"
        try:
            self._device.hardware_reset()
        except RuntimeError as error:
            raise SourceError(f"{text} failed: {error}") from None
        raise SourceError(text)

    def _start(self, rs: Any) -> None:
        options = self._options
        mode = (options.width, options.height, options.rate_hz)
        sensors = self._device.query_sensors()
        place, profile = find_color(rs, self._name, self._device, mode)
        set_exposure(rs, self._name, sensors[place], options)
        profiles, streams = {place: [profile]}, Colors(rs)
        if options.depth:
            depth_place, depth_profile = find_depth(rs, self._name, self._device, mode)
            profiles.setdefault(depth_place, []).append(depth_profile)  # a D405 has both from one sensor
            streams = ColorsWithDepth(rs, sensors[depth_place].get_option(rs.option.depth_units))
        intrinsics = profile.get_intrinsics()
        self.fovy_deg = pinhole_fovy_deg(intrinsics.height, intrinsics.fy) or 0.0
        self._clock = DeviceClock()
        for place, wanted in profiles.items():
            sensors[place].open(wanted)
            self._sensors.append(sensors[place])
        for sensor in self._sensors:
            sensor.start(streams.queue)
        self._streams = streams
        self._failures += 1  # until a frame comes

    def _stamp_ns(self, frame: Any) -> int:
        """Acquisition in system time, ns; stamps of other domains than the hardware's are in system time already."""
        now_ns, stamp_ms = time.time_ns(), frame.get_timestamp()
        if frame.get_frame_timestamp_domain().name == "hardware_clock":
            return now_ns - self._clock.age_ns(stamp_ms, time.monotonic_ns())
        return min(round(stamp_ms * 1e6), now_ns)


def choose(devices: Mapping[str, Any], serial: str) -> tuple[str, Any]:
    """The device of a serial number, or the only one.

    Args:
        devices: The connected devices by serial number.
        serial: The serial number; empty for the only one.

    Returns:
        Serial number and device.

    Raises:
        SourceError: Naming the connected devices.
    """
    found = ", ".join(devices) or "none"
    if serial not in devices and (serial or not devices):
        raise SourceError(f"realsense: found cameras {found}, expected {serial or 'one'}")
    if not serial and len(devices) > 1:
        raise SourceError(f"option 'serial': found none, expected one of {found}")
    serial = serial or next(iter(devices))
    return serial, devices[serial]


def set_exposure(rs: Any, name: str, sensor: Any, options: RealSenseOptions) -> None:
    """Set exposure and gain, fixed or automatic.

    Raises:
        SourceError: For values out of the sensor's range.
    """
    automatic = options.exposure_us == 0
    # Priority 0 keeps the rate in the dark. It is always set: the camera keeps what another program has set.
    for option, value in ((rs.option.enable_auto_exposure, automatic), (rs.option.auto_exposure_priority, 0)):
        if sensor.supports(option):
            sensor.set_option(option, float(value))
    unit = 1 if sensor.is_depth_sensor() else COLOR_EXPOSURE_US
    for key, option, wish, scale in (
        ("exposure_us", rs.option.exposure, options.exposure_us, unit),
        ("gain", rs.option.gain, options.gain, 1),
    ):
        if wish:
            _set_checked(f"{name}: option '{key}'", sensor, option, wish, scale)


def _set_checked(place: str, sensor: Any, option: Any, wish: int, scale: int) -> None:
    if not sensor.supports(option):
        raise SourceError(f"{place}: found {wish}, expected 0: the camera does not support it")
    limits, value = sensor.get_option_range(option), round(wish / scale)
    if not limits.min <= value <= limits.max:
        raise SourceError(f"{place}: found {wish}, expected {limits.min * scale:.0f} to {limits.max * scale:.0f}")
    sensor.set_option(option, value)


def _connected(rs: Any, query: Callable[[], Iterable[Any]]) -> dict[str, Any]:
    """Devices by serial number; a device in firmware recovery has none, and is left out."""
    number = rs.camera_info.serial_number
    return {device.get_info(number): device for device in query() if device.supports(number)}


def _library() -> Any:
    try:
        import pyrealsense2
    except ImportError as error:
        raise SourceError(f"realsense: pyrealsense2 or a library that it needs is not installed: {error}") from None
    return pyrealsense2
