"""Images in the shape that a network was trained on, and what becomes of their field of view.

An image of another shape that is resized is stretched: a policy then fails without a word. Live images, evaluations,
replays and datasets are all framed by `framed` before they are resized. Fields of view are those of pinhole cameras.
"""

from __future__ import annotations

import math
from enum import Enum
from typing import Literal

import numpy as np

Fit = Literal["same", "crop", "pad"]


class FitOption(str, Enum):
    """The same, for command lines."""

    SAME = "same"
    CROP = "crop"
    PAD = "pad"


Size = tuple[int, int]  # height, width in pixels
TOLERANCE = 0.02  # of the aspect ratio: 424x240 is taken for 16:9
# Of the tangent of half the field of view, that is of the size of everything in the image. The shipped policy succeeds
# with 5 % more or less as without, and fails at 26 of 30 picks with 20 % less; copies of one camera differ by less.
VIEW_TOLERANCE = 0.05
LEAST_FOVY_DEG, MOST_FOVY_DEG = 0.01, 179.0  # of lenses and their crops


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
    height, width = framed_size(found, size, fit)
    if fit == "crop":
        top, left = (found[0] - height) // 2, (found[1] - width) // 2
        return image[top : top + height, left : left + width], ""
    if fit == "pad":
        top, left = (height - found[0]) // 2, (width - found[1]) // 2
        padded = np.zeros((height, width, *image.shape[2:]), image.dtype)
        padded[top : top + found[0], left : left + found[1]] = image
        return padded, ""
    return image[:0], f"found an image of {size_text(found)}, expected {expected_shape(size, 'image_fit')}"


def same_shape(found: Size, wanted: Size) -> bool:
    """Whether an image of one size fits another without being stretched."""
    if not min(*found, *wanted):
        return False
    return abs(found[1] * wanted[0] / (found[0] * wanted[1]) - 1) <= TOLERANCE


def framed_size(found: Size, wanted: Size, fit: Fit) -> Size:
    """Height, width of an image of the size `found` once framed for `wanted`, not yet resized."""
    if fit == "same" or same_shape(found, wanted):
        return found
    return _inside(found, wanted) if fit == "crop" else _around(found, wanted)


def pinhole_fovy_deg(height: float, focal: float) -> float | None:
    """Vertical field of view of a pinhole camera, degrees; None if it is not calibrated, or impossible.

    Args:
        height: Of the image, pixels.
        focal: Vertical focal length, pixels: the fifth of the numbers K of a CameraInfo, 0 if unknown.
    """
    if not (math.isfinite(focal) and focal > 0):
        return None
    found = math.degrees(2 * math.atan2(height / 2, focal))
    return found if LEAST_FOVY_DEG <= found <= MOST_FOVY_DEG else None


def focal_px(height: float, fovy_deg: float) -> float:
    """Vertical focal length, pixels, of a pinhole camera with this vertical field of view, degrees."""
    return height / 2 / math.tan(math.radians(fovy_deg) / 2)


def framed_fovy_deg(fovy_deg: float | None, found: Size, size: Size, fit: Fit) -> float | None:
    """Vertical field of view of an image once framed; both keep the focal length, and change the height.

    Args:
        fovy_deg: Before, degrees; None: unknown.
        found: Height, width of the image.
        size: (h, w) of what it is for.
        fit: What is done with an image of another shape.
    """
    if fovy_deg is None:
        return None
    return pinhole_fovy_deg(framed_size(found, size, fit)[0], focal_px(found[0], fovy_deg))


def same_view(first_deg: float, second_deg: float) -> bool:
    """Whether two fields of view show everything in the same size, but for the tolerance."""
    first, second = (math.tan(math.radians(each) / 2) for each in (first_deg, second_deg))
    return abs(math.log(first / second)) <= math.log(1 + VIEW_TOLERANCE)


def expected_shape(wanted: Size, choice: str, fit: Fit = "same") -> str:
    """What is expected where an image has another shape.

    Args:
        wanted: Height, width of an image of the expected shape.
        choice: Where a fit is chosen.
        fit: That of the training: another one cannot be chosen.
    """
    choices = "crop, or pad" if fit == "same" else fit
    return f"the shape of {size_text(wanted)}, which is not stretched; or choose {choice}: {choices}"


def size_text(size: Size) -> str:
    """Width x height."""
    return f"{size[1]}x{size[0]}"


def _inside(found: Size, wanted: Size) -> Size:
    """The largest size of the wanted shape inside another."""
    scale = min(found[0] / wanted[0], found[1] / wanted[1])
    return max(round(wanted[0] * scale), 1), max(round(wanted[1] * scale), 1)


def _around(found: Size, wanted: Size) -> Size:
    """The smallest size of the wanted shape around another."""
    scale = max(found[0] / wanted[0], found[1] / wanted[1])
    return max(round(wanted[0] * scale), found[0]), max(round(wanted[1] * scale), found[1])
