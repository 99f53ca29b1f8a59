"""The contract of a policy's images: shape, vertical field of view and rate, as in training.

What conversion did to a dataset's images is written down there, goes into the bundle by training, and is done to live
images, too. The rule: a camera whose images have the shape of those in training is treated as in training; for another
one, and for a bundle that was trained on whole images, the station chooses a fit. Another fit than that of the training
is refused, and so is another field of view. What is unknown is not checked.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Protocol

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from contracts.errors import FileError
from contracts.framing import (
    LEAST_FOVY_DEG,
    MOST_FOVY_DEG,
    TOLERANCE,
    Fit,
    Size,
    expected_shape,
    focal_px,
    framed_fovy_deg,
    framed_size,
    pinhole_fovy_deg,
    same_shape,
    same_view,
    size_text,
)

Pixels = Annotated[int, Field(ge=1, le=8192)]
FIT_DESCRIPTION = (
    "images of another shape than the policy's: `same`, refused; `crop`, their middle; `pad`, black bars; "
    "by default as in the policy's training"
)


class Framing(BaseModel):
    """How the images of a dataset, and so those that a policy was trained on, were made from a camera's."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    fit: Fit = Field("same", description="what was done with images of another shape")
    camera: tuple[Pixels, Pixels] | None = Field(
        None, description="height, width of the camera's images; none: unknown, or several shapes"
    )
    fovy_deg: float | None = Field(
        None,
        ge=LEAST_FOVY_DEG,
        le=MOST_FOVY_DEG,
        description="vertical field of view, after cropping or padding; none: unknown, or several",
    )


@dataclass(frozen=True)
class Trained:
    """The images that a policy was trained on.

    Attributes:
        size: (h, w) of the network's input.
        rate_hz: Least rate of the camera.
        framing: How they were made from the camera's.
    """

    size: Size
    rate_hz: float
    framing: Framing


class Camera(Protocol):
    """What is checked of a station's camera."""

    width: int
    height: int
    rate_hz: float
    fit: Fit | None


def check_fit(chosen: Fit | None, trained: Trained) -> str:
    """What is expected instead of a chosen fit, which must not be another than in training; "" if it may be chosen."""
    fit = trained.framing.fit
    if chosen in (None, "same", fit) or fit == "same":
        return ""
    return f"{fit}, as in the policy's training, or same"


def fit_for(found: Size, trained: Trained, chosen: Fit | None, choice: str) -> tuple[Fit, str]:
    """What is done with an image to give it the policy's shape: what is chosen, else what was done in training.

    Args:
        found: Height, width of the image.
        trained: The policy's images.
        chosen: The fit that the station chooses; None: none.
        choice: Where it is chosen, for the text.

    Returns:
        The fit, and "" or what shape is expected instead.
    """
    fit = chosen or trained.framing.fit
    wanted = trained.size if fit == "same" else trained.framing.camera
    if wanted is None or (chosen == fit != "same") or same_shape(found, wanted):
        return fit, ""
    return fit, expected_shape(wanted, choice, trained.framing.fit)


def view_difference(fovy_deg: float | None, found: Size, fit: Fit, trained: Trained) -> tuple[str, str] | None:
    """The field of view found and the one expected, in words, where they differ; None also if one is unknown.

    Args:
        fovy_deg: Vertical field of view of the camera's images, degrees; None: unknown.
        found: Height, width of the camera's images.
        fit: What is done with them.
        trained: The policy's images.
    """
    wanted, seen = trained.framing.fovy_deg, framed_fovy_deg(fovy_deg, found, trained.size, fit)
    if fovy_deg is None or wanted is None or seen is None or same_view(seen, wanted):
        return None
    height = framed_size(found, trained.size, fit)[0]
    expected = f"the {wanted:.1f} of the policy's training"
    if height != found[0]:
        needed = pinhole_fovy_deg(found[0], focal_px(height, wanted)) or math.nan
        expected = f"{needed:.1f}, which {fit} turns into {expected}"
    return f"a vertical field of view of {fovy_deg:.1f} degrees", f"{expected}: set it, or train with this camera"


def check_camera(where: str, camera: Camera, trained: Trained, fovy_deg: float | None) -> None:
    """Check a station's camera against what a policy was trained on.

    Args:
        where: The camera's field of the station.
        camera: The camera.
        trained: The policy's images.
        fovy_deg: Vertical field of view of the camera, degrees; None: not known before its first image.

    Raises:
        FileError: Its fit, shape, rate or field of view are others.
    """
    found = (camera.height, camera.width)
    if expected := check_fit(camera.fit, trained):
        raise FileError("station", f"{where}.fit", camera.fit, expected)
    fit, expected = fit_for(found, trained, camera.fit, f"{where}.fit")
    if expected:
        raise FileError("station", f"{where}.width, height", size_text(found), expected)
    if camera.rate_hz < trained.rate_hz * (1 - TOLERANCE):
        expected = f"at least {trained.rate_hz:g}, as in the policy's training"
        raise FileError("station", f"{where}.rate_hz", f"{camera.rate_hz:g}", expected)
    if difference := view_difference(fovy_deg, found, fit, trained):
        raise FileError("station", where, *difference)


def merged(framings: Sequence[Framing]) -> Framing:
    """What is the same in all of them; the fits may be `same` and one other.

    Raises:
        ValueError: Some were cropped and others padded.
    """
    fits: list[Fit] = sorted({each.fit for each in framings} - {"same"})
    if len(fits) > 1:
        raise ValueError(" and ".join(fits))
    sizes = [each.camera for each in framings if each.camera is not None]
    views = [each.fovy_deg for each in framings if each.fovy_deg is not None]
    one_shape = len(sizes) == len(framings) and all(same_shape(size, sizes[0]) for size in sizes)
    one_view = len(views) == len(framings) and all(same_view(view, views[0]) for view in views)
    return Framing(
        fit=fits[0] if fits else "same",
        camera=sizes[0] if one_shape else None,
        fovy_deg=float(np.mean(views)) if one_view else None,
    )
