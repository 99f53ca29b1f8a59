"""Images in the shape that a network was trained on: the same, or cropped or padded by an explicit choice.

An image of another shape that is resized is stretched: a policy then fails without a word. Live images, evaluations,
replays and datasets are all framed by `framed` before they are resized.
"""

from __future__ import annotations

from enum import Enum
from typing import Literal, Protocol

import numpy as np

from contracts.errors import FileError

Fit = Literal["same", "crop", "pad"]


class FitOption(str, Enum):
    """The same, for command lines."""

    SAME = "same"
    CROP = "crop"
    PAD = "pad"


Size = tuple[int, int]  # height, width in pixels
TOLERANCE = 0.02  # of the aspect ratio: 424x240 is taken for 16:9
FIT_DESCRIPTION = "an image of another shape than the policy's: `same`, refused; `crop`, its middle; `pad`, black bars"


class Camera(Protocol):
    """What is checked of a station's camera."""

    width: int
    height: int
    rate_hz: float
    fit: Fit


def framed(image: np.ndarray, size: Size, fit: Fit = "same") -> tuple[np.ndarray, str]:
    """An image in the shape of `size`, not yet resized.

    Args:
        image: (H, W, 3) uint8.
        size: (h, w) of what it is for.
        fit: What is done with an image of another shape.

    Returns:
        (H', W', 3) with H' : W' as h : w, and "" or why the image is refused; it is then empty.
    """
    found = (image.shape[0], image.shape[1])
    if same_shape(found, size):
        return image, ""
    if fit == "crop":
        height, width = _inside(found, size)
        top, left = (found[0] - height) // 2, (found[1] - width) // 2
        return image[top : top + height, left : left + width], ""
    if fit == "pad":
        height, width = _around(found, size)
        top, left = (height - found[0]) // 2, (width - found[1]) // 2
        padded = np.zeros((height, width, *image.shape[2:]), image.dtype)
        padded[top : top + found[0], left : left + found[1]] = image
        return padded, ""
    return image[:0], f"found an image of {_size(found)}, expected {expected_shape(size, 'image_fit')}"


def same_shape(found: Size, wanted: Size) -> bool:
    """Whether an image of one size fits another without being stretched."""
    if not min(*found, *wanted):
        return False
    return abs(found[1] * wanted[0] / (found[0] * wanted[1]) - 1) <= TOLERANCE


def check_camera(where: str, camera: Camera, wanted: Size, period_s: float) -> None:
    """Check a station's camera against what a policy was trained on.

    Args:
        where: The camera's field of the station.
        camera: The camera.
        wanted: Height, width of the policy's images.
        period_s: Time between two points of the policy's chunks, which is that between its images in training.

    Raises:
        FileError: The shape is another and no fit was chosen, or images come too seldom.
    """
    found = (camera.height, camera.width)
    if camera.fit == "same" and not same_shape(found, wanted):
        raise FileError("station", f"{where}.width, height", _size(found), expected_shape(wanted, f"{where}.fit"))
    if camera.rate_hz * period_s < 1 - TOLERANCE:
        expected = f"at least {1 / period_s:g}, as in the policy's training"
        raise FileError("station", f"{where}.rate_hz", f"{camera.rate_hz:g}", expected)


def expected_shape(wanted: Size, choice: str) -> str:
    """What is expected where an image has another shape; `choice` names where a fit is chosen."""
    return f"the shape of {_size(wanted)}, which is not stretched; or choose {choice}: crop, or pad"


def _size(size: Size) -> str:
    return f"{size[1]}x{size[0]}"


def _inside(found: Size, wanted: Size) -> Size:
    """The largest size of the wanted shape inside another."""
    scale = min(found[0] / wanted[0], found[1] / wanted[1])
    return max(round(wanted[0] * scale), 1), max(round(wanted[1] * scale), 1)


def _around(found: Size, wanted: Size) -> Size:
    """The smallest size of the wanted shape around another."""
    scale = max(found[0] / wanted[0], found[1] / wanted[1])
    return max(round(wanted[0] * scale), found[0]), max(round(wanted[1] * scale), found[1])
