"""The camera node: publishes one source as image_raw and camera_info, and monitors every frame."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import Field
from sensor_msgs.msg import CameraInfo, Image

from camera_node.capture import Capture
from camera_node.info import calibrated, load_calibration, pinhole
from camera_node.monitor import FrameMonitor
from camera_node.source import GROUP, Frame, Source, SourceError
from contracts import plugins
from contracts.errors import FileError
from contracts.files import parse_json_object
from contracts.hops import CAMERA, HopLog
from node_kit import diagnostics, log, messages, qos
from node_kit.lifecycle import Lifecycle
from node_kit.main import spin
from node_kit.parameters import Parameters as Schema

FINE = ("starting", "streaming", "ended")
MODE = ("width", "height", "rate_hz")  # parameters that are requested from an adjustable camera


class CameraParameters(Schema):
    """Parameters of the camera node."""

    name: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$", description="camera name; topics are camera/<name>/...")
    source: str = Field(min_length=1, description="camera plug-in, such as v4l2, replay or simulated")
    options: str = Field(default="{}", description="options of the plug-in, a JSON object")
    width: int = Field(
        default=0, ge=0, le=8192, description="image width, pixels, requested if adjustable; 0: the camera's default"
    )
    height: int = Field(default=0, ge=0, le=8192, description="image height, as `width`")
    rate_hz: float = Field(
        default=0.0,
        ge=0,
        le=1000,
        description="expected frame rate, requested as `width`; 0: by the source or measured",
    )
    frame_id: str = Field(default="", description="frame of the images; the camera's name by default")
    calibration: str = Field(default="", description="calibration file as written by camera_calibration")
    reopen_after_s: float = Field(
        default=2.0, ge=0.1, le=60, description="time without a new frame after which the camera is reopened, s"
    )


class CameraNode(Lifecycle):
    """Publishes a camera. While it is frozen or stopped, no image is published, and diagnostics report it at once."""

    Parameters = CameraParameters

    def configure(self, parameters: CameraParameters) -> None:
        """Load the plug-in and the calibration, and create the publishers."""
        self._settings = parameters
        self._capture: Capture | None = None
        self._published, self._hops = 0, HopLog(CAMERA)
        self._logged = ""
        factory = plugins.load(GROUP, parameters.source)
        options = _options(parameters, getattr(factory, "adjustable", False))
        self._make: Callable[[], Source] = partial(factory, options)
        self._source = self._make()
        self._calibration = load_calibration(Path(parameters.calibration)) if parameters.calibration else None
        self._info: CameraInfo | None = None
        topic = f"camera/{parameters.name}"
        self._images = self.keep(self.create_publisher(Image, f"{topic}/image_raw", qos.IMAGE))
        self._infos = self.keep(self.create_publisher(CameraInfo, f"{topic}/camera_info", qos.IMAGE))
        depths = f"{topic}/aligned_depth_to_color/image_raw"
        wanted = getattr(self._source, "gives_depth", False)
        self._depths = self.keep(self.create_publisher(Image, depths, qos.IMAGE)) if wanted else None
        self._diagnostics = self.keep(diagnostics.DiagnosticsPublisher(self, f"camera/{parameters.name}", self._report))

    def activate(self) -> None:
        """Start reading the camera."""
        rate = self._settings.rate_hz or getattr(self._source, "rate_hz", 0.0)
        monitor = FrameMonitor(rate, getattr(self._source, "always_changes", False))
        patience = self._settings.reopen_after_s if getattr(self._source, "reopens", True) else None
        capture = Capture(self._source, monitor, self._publish, self._changed, patience)
        self._capture = capture
        capture.start()

    def deactivate(self) -> None:
        """Stop reading the camera."""
        if self._capture is not None and not self._capture.stop():
            log.warning(self, "the camera does not respond, its thread is abandoned")
            self._source = self._make()  # the abandoned thread still uses the old one
        self._capture = None

    def _publish(self, frame: Frame) -> None:
        """Publish a frame, from the capture thread; publishing is thread-safe."""
        image = messages.image(frame.rgb, frame.stamp_ns, self._settings.frame_id or self._settings.name)
        info = self._camera_info(frame)
        info.header = image.header
        self._hops.add(frame.stamp_ns, time.time_ns())
        self._infos.publish(info)  # first, so that whoever checks the images has it
        self._images.publish(image)
        if self._depths is not None and frame.depth is not None:
            self._depths.publish(messages.depth_image(frame.depth, frame.stamp_ns, image.header.frame_id))
        self._published += 1

    def _changed(self) -> None:
        """Publish diagnostics at once; log why the camera is lost, and its return."""
        self._diagnostics.publish()
        capture = self._capture
        if capture is None:
            return
        state, problem = capture.state, capture.problem
        line = f"lost: {problem}" if state == "lost" else ""
        if line != self._logged:
            self._logged = line
            log.warning(self, line or f"{state} again")

    def _camera_info(self, frame: Frame) -> CameraInfo:
        height, width = frame.rgb.shape[:2]
        info = self._info
        if info is None or (info.height, info.width) != (height, width):
            fovy = float(getattr(self._source, "fovy_deg", 0.0))
            info = calibrated(self._calibration) if self._calibration else pinhole(width, height, fovy)
        if (info.height, info.width) != (height, width):
            found = f"images {width}x{height}, calibration {info.width}x{info.height}"
            raise SourceError(f"{self._settings.calibration}: {found}")
        self._info = info
        return info

    def _report(self) -> diagnostics.Report:
        capture = self._capture
        if capture is None:
            return diagnostics.OK, "inactive", {"published": self._published}
        state = capture.state
        values: dict[str, Any] = {
            "published": self._published,
            "rate_hz": capture.rate_hz,
            "state": state,
            "repeated": capture.repeated,
            "opened": capture.opened,
            "problem": capture.problem,
            **self._hops.values(),
        }
        level = diagnostics.OK if state in FINE else diagnostics.ERROR
        return level, f"{state}: {capture.problem}" if capture.problem else state, values


def _options(parameters: CameraParameters, adjustable: bool) -> dict[str, Any]:
    """The plug-in's options, with size and rate if it is `adjustable`."""
    try:
        given = parse_json_object(parameters.options, "parameter 'options'")
    except FileError as error:
        raise SourceError(str(error)) from None
    if not adjustable:
        return given
    repeated = next((name for name in MODE if name in given), None)
    if repeated:
        raise SourceError(f"option '{repeated}': found {given[repeated]!r}, expected it as the node's parameter")
    return {name: value for name in MODE if (value := getattr(parameters, name))} | given


def main() -> int:
    """Entry point."""
    return spin(CameraNode, "camera")


if __name__ == "__main__":
    raise SystemExit(main())
