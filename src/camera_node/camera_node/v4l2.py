"""A Video4Linux device such as a webcam, through OpenCV."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import cv2
from pydantic import BaseModel, ConfigDict, Field

from camera_node.source import Frame, SourceError, parse_options

PLAUSIBLE_DELAY_S = 1.0
READ_TIMEOUT_S = 1
# OpenCV waits 10 s for a camera that stalls unless this is set; it is read at the first wait.
os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", str(READ_TIMEOUT_S))


class V4L2Options(BaseModel):
    """Selects a device and its mode; 0 and an empty text leave the device's default."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    device: str = Field(
        default="/dev/video0", min_length=1, description="device file, preferably a link in /dev/v4l/by-id/"
    )
    width: int = Field(default=0, ge=0, le=8192, description="pixels; given as the node's parameter")
    height: int = Field(default=0, ge=0, le=8192, description="pixels; given as the node's parameter")
    rate_hz: float = Field(default=0.0, ge=0, le=240, description="frames per second; given as the node's parameter")
    fourcc: str = Field(default="MJPG", pattern="^(....)?$", description="pixel format on the wire, four letters")


class V4L2Source:
    """Frames stamped with the kernel's time of acquisition if the driver gives it, else with the time of reading.

    Args:
        options: Those of V4L2Options.
        capture: Makes the OpenCV capture.
    """

    adjustable = always_changes = True

    def __init__(self, options: Mapping[str, Any], capture: Callable[..., Any] = cv2.VideoCapture) -> None:
        self._options = parse_options(V4L2Options, options)
        self._make = capture
        self._capture: Any = None
        self._stamps = False  # whether the driver has given a plausible stamp of the monotonic clock
        self.rate_hz = self._options.rate_hz

    def open(self) -> None:
        """Open the device and request size, rate and format.

        Raises:
            SourceError: If it cannot be opened.
        """
        options = self._options
        if not Path(options.device).exists():
            raise SourceError(f"{options.device}: no such device")
        self._capture = self._make(options.device, cv2.CAP_V4L2)
        if not self._capture.isOpened():
            self.close()
            raise SourceError(f"{options.device}: cannot be opened as a camera (in use, not permitted or no camera)")
        wishes = {
            cv2.CAP_PROP_FOURCC: cv2.VideoWriter.fourcc(*options.fourcc) if options.fourcc else 0,
            cv2.CAP_PROP_FRAME_WIDTH: options.width,
            cv2.CAP_PROP_FRAME_HEIGHT: options.height,
            cv2.CAP_PROP_FPS: options.rate_hz,
        }
        for key, value in wishes.items():
            if value:
                self._capture.set(key, value)

    def read(self) -> Frame | None:
        """The next frame, None after a second without one.

        Raises:
            SourceError: If the device is disconnected.
        """
        began_s = time.monotonic()
        good, bgr = self._capture.read()
        if not good:
            if time.monotonic() - began_s < READ_TIMEOUT_S / 2:  # a connected device would have waited
                raise SourceError(f"{self._options.device}: gives no frames, it was probably unplugged")
            return None
        delay_s = time.monotonic() - self._capture.get(cv2.CAP_PROP_POS_MSEC) * 1e-3
        self._stamps |= plausible(delay_s)
        stamp_ns = acquisition_ns(delay_s, time.time_ns(), self._stamps)
        return Frame(stamp_ns, cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB))

    def close(self) -> None:
        """Release the device."""
        if self._capture is not None:
            self._capture.release()
        self._capture = None


def plausible(delay_s: float) -> bool:
    """Whether `delay_s` can be the delay of a frame; with another clock, or no stamp, it is arbitrary."""
    return 0.0 <= delay_s < PLAUSIBLE_DELAY_S


def acquisition_ns(delay_s: float, now_ns: int, stamps: bool) -> int:
    """Time of acquisition of a frame.

    A long delay of a driver that gives stamps is accepted: after a scheduler stall its queue holds old frames.

    Args:
        delay_s: Time since the driver's stamp on the monotonic clock, s.
        now_ns: System time, ns.
        stamps: Whether the driver has given a plausible stamp before.

    Returns:
        Acquisition in system time, ns; `now_ns` if the delay is not plausible.
    """
    return now_ns - round(delay_s * 1e9) if plausible(delay_s) or (stamps and delay_s > 0.0) else now_ns
