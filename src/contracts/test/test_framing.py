"""Images of another shape than the policy's are refused, or cropped or padded by choice; never stretched."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import FileError
from contracts.framing import TOLERANCE, check_camera, framed, same_shape

WIDE = (90, 160)
sides = st.integers(16, 640)


def numbered(height: int, width: int) -> np.ndarray:
    """(H, W, 3) whose pixels are their row and column."""
    rows, columns = np.mgrid[1 : height + 1, 1 : width + 1]
    return np.stack([rows % 256, columns % 256, np.full_like(rows, 255)], axis=2).astype(np.uint8)


@pytest.mark.parametrize("shape", [(180, 180), (240, 320), (320, 180)])
def test_another_shape_is_refused_with_both_named(shape):
    image, refusal = framed(numbered(*shape), WIDE)
    assert not image.size
    assert f"found an image of {shape[1]}x{shape[0]}, expected the shape of 160x90" in refusal


@pytest.mark.parametrize("fit", ["same", "crop", "pad"])
@pytest.mark.parametrize("shape", [(90, 160), (180, 320), (720, 1280), (240, 424)])
def test_the_same_shape_is_left_as_it_is_by_every_fit(shape, fit):
    image = numbered(*shape)
    found, refusal = framed(image, WIDE, fit)
    assert refusal == ""
    assert np.array_equal(found, image)


def test_cropping_keeps_the_middle_unchanged():
    image = numbered(240, 320)
    found, refusal = framed(image, WIDE, "crop")
    assert refusal == ""
    assert np.array_equal(found, image[30:210])


def test_padding_adds_black_bars_and_keeps_all_pixels():
    image = numbered(180, 180)
    found, refusal = framed(image, WIDE, "pad")
    assert (refusal, found.shape) == ("", (180, 320, 3))
    assert np.array_equal(found[:, 70:250], image)
    assert not found[:, :70].any() and not found[:, 250:].any()


@given(height=sides, width=sides, fit=st.sampled_from(["crop", "pad"]))
def test_every_framed_image_has_the_wanted_shape(height, width, fit):
    found, refusal = framed(np.zeros((height, width, 3), np.uint8), WIDE, fit)
    assert refusal == ""
    rounding = 1 / min(found.shape[:2])
    assert abs(found.shape[1] * 90 / (found.shape[0] * 160) - 1) <= max(TOLERANCE, rounding)


def camera(height: int, width: int, fit: str = "same", rate_hz: float = 30.0) -> SimpleNamespace:
    return SimpleNamespace(height=height, width=width, fit=fit, rate_hz=rate_hz)


@pytest.mark.parametrize("shape", [(180, 180), (240, 320)])
def test_a_station_with_another_shape_is_refused_unless_it_chooses_a_fit(shape):
    with pytest.raises(FileError, match=rf"cameras\.front\.width, height: found {shape[1]}x{shape[0]}, .*160x90.*fit"):
        check_camera("cameras.front", camera(*shape), WIDE, 0.1)
    for fit in ("crop", "pad"):
        check_camera("cameras.front", camera(*shape, fit), WIDE, 0.1)


def test_a_camera_slower_than_in_training_is_refused():
    with pytest.raises(FileError, match=r"cameras\.front\.rate_hz: found 5, expected at least 10"):
        check_camera("cameras.front", camera(*WIDE, rate_hz=5.0), WIDE, 0.1)
    check_camera("cameras.front", camera(*WIDE, rate_hz=10.0), WIDE, 0.1)


def test_an_image_without_pixels_has_no_shape():
    assert not same_shape((0, 0), WIDE)
