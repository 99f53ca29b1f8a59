"""Camera calibration: a file as `camera_calibration` writes it, or an ideal pinhole from the field of view."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from sensor_msgs.msg import CameraInfo

from camera_node.source import SourceError
from contracts.errors import FileError, validate
from contracts.files import read_mapping


def _matrix(rows: int, columns: int) -> type[BaseModel]:
    class Matrix(BaseModel):
        model_config = ConfigDict(extra="forbid", allow_inf_nan=False)
        rows: int
        cols: int
        data: Annotated[list[float], Field(min_length=rows * columns, max_length=rows * columns)]

    return Matrix


class Distortion(BaseModel):
    """Distortion coefficients; their number depends on the model."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    rows: int
    cols: int
    data: list[float] = Field(max_length=14)


class Calibration(BaseModel):
    """The calibration file of ROS's `camera_calibration`."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    image_width: int = Field(gt=0)
    image_height: int = Field(gt=0)
    camera_name: str = ""
    camera_matrix: _matrix(3, 3)
    distortion_model: str = "plumb_bob"
    distortion_coefficients: Distortion
    rectification_matrix: _matrix(3, 3)
    projection_matrix: _matrix(3, 4)


def load_calibration(path: Path) -> Calibration:
    """Read a calibration file. Raises SourceError of one line naming file and field."""
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


def pinhole(width: int, height: int, fovy_deg: float) -> CameraInfo:
    """CameraInfo of an ideal camera; with `fovy_deg` 0 an uncalibrated one, whose K is zero as the message defines."""
    info = CameraInfo(width=width, height=height, distortion_model="plumb_bob", d=[0.0] * 5)
    if fovy_deg > 0:
        f, cx, cy = height / 2 / math.tan(math.radians(fovy_deg) / 2), width / 2, height / 2
        info.k = [f, 0.0, cx, 0.0, f, cy, 0.0, 0.0, 1.0]
        info.r = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
        info.p = [f, 0.0, cx, 0.0, 0.0, f, cy, 0.0, 0.0, 0.0, 1.0, 0.0]
    return info
