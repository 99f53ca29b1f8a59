"""Camera calibration: a file as `camera_calibration` writes it, or an ideal pinhole from the field of view."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field
from sensor_msgs.msg import CameraInfo

from camera_node.source import SourceError
from contracts.errors import FileError, validate
from contracts.files import read_mapping
from contracts.framing import focal_px, pinhole_fovy_deg


class Matrix(BaseModel):
    """A matrix as `camera_calibration` writes it, row by row."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    rows: int
    cols: int
    data: list[float]


class Matrix3x3(Matrix):
    """A 3x3 matrix."""

    data: list[float] = Field(min_length=9, max_length=9)


class Matrix3x4(Matrix):
    """A 3x4 matrix."""

    data: list[float] = Field(min_length=12, max_length=12)


class Distortion(Matrix):
    """Distortion coefficients; their number depends on the model."""

    data: list[float] = Field(max_length=14)


class Calibration(BaseModel):
    """The calibration file of ROS's `camera_calibration`."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    image_width: int = Field(gt=0, le=8192)
    image_height: int = Field(gt=0, le=8192)
    camera_name: str = ""
    camera_matrix: Matrix3x3
    distortion_model: str = "plumb_bob"
    distortion_coefficients: Distortion
    rectification_matrix: Matrix3x3
    projection_matrix: Matrix3x4


def load_calibration(path: Path) -> Calibration:
    """Read a calibration file.

    Raises:
        SourceError: In one line, naming file and field.
    """
    try:
        return validate(Calibration, read_mapping(path), path)
    except FileError as error:
        raise SourceError(str(error)) from None


def calibrated(calibration: Calibration) -> CameraInfo:
    """CameraInfo of a calibration."""
    return CameraInfo(
        width=calibration.image_width,
        height=calibration.image_height,
        distortion_model=calibration.distortion_model,
        d=calibration.distortion_coefficients.data,
        k=calibration.camera_matrix.data,
        r=calibration.rectification_matrix.data,
        p=calibration.projection_matrix.data,
    )


def calibrated_fovy_deg(calibration: Calibration) -> float | None:
    """Vertical field of view of a calibration, degrees; None if it is impossible."""
    return pinhole_fovy_deg(calibration.image_height, calibration.camera_matrix.data[4])


def pinhole(width: int, height: int, fovy_deg: float) -> CameraInfo:
    """CameraInfo of an ideal pinhole camera.

    Args:
        width: Pixels.
        height: Pixels.
        fovy_deg: Vertical field of view, degrees; 0: uncalibrated, which the message defines as a zero K.
    """
    info = CameraInfo(width=width, height=height, distortion_model="plumb_bob", d=[0.0] * 5)
    if fovy_deg > 0:
        f, cx, cy = focal_px(height, fovy_deg), width / 2, height / 2
        info.k = [f, 0.0, cx, 0.0, f, cy, 0.0, 0.0, 1.0]
        info.r = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
        info.p = [f, 0.0, cx, 0.0, 0.0, f, cy, 0.0, 0.0, 0.0, 1.0, 0.0]
    return info
