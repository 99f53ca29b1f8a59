"""Images of another shape than the policy's are refused, or cropped or padded by choice; never stretched."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.framing import TOLERANCE, focal_px, framed, framed_fovy_deg, pinhole_fovy_deg, same_shape, same_view

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


@given(height=sides, width=sides, fit=st.sampled_from(["crop", "pad"]), fovy=st.floats(20, 100))
def test_framing_keeps_the_focal_length(height, width, fit, fovy):
    found = framed(np.zeros((height, width, 3), np.uint8), WIDE, fit)[0]
    after = framed_fovy_deg(fovy, (height, width), WIDE, fit)
    assert focal_px(found.shape[0], after) == pytest.approx(focal_px(height, fovy))


@given(height=sides, width=sides, fovy=st.floats(20, 100))
def test_cropping_never_widens_the_view_and_padding_never_narrows_it(height, width, fovy):
    cropped, padded = (framed_fovy_deg(fovy, (height, width), WIDE, fit) for fit in ("crop", "pad"))
    assert cropped <= fovy + 1e-9 and padded >= fovy - 1e-9


def test_a_wide_crop_of_a_square_image_narrows_the_view_by_its_height():
    after = framed_fovy_deg(60.0, (160, 160), WIDE, "crop")
    assert math.tan(math.radians(after) / 2) == pytest.approx(math.tan(math.radians(30)) * 90 / 160)
    assert framed_fovy_deg(60.0, (160, 160), WIDE, "pad") == pytest.approx(60.0)
    assert framed_fovy_deg(60.0, (160, 90), WIDE, "crop") < 60.0 < framed_fovy_deg(60.0, (90, 320), WIDE, "pad")


@pytest.mark.parametrize("focal", [0.0, -1.0, math.nan, math.inf, 1e-9, 1e9])
def test_a_focal_length_that_is_impossible_gives_no_view(focal):
    assert pinhole_fovy_deg(180, focal) is None


def test_an_unknown_view_stays_unknown():
    assert framed_fovy_deg(None, (240, 320), WIDE, "crop") is None


@given(fovy=st.floats(20, 100), share=st.floats(0.8, 1.25))
def test_views_are_the_same_up_to_5_percent_of_the_size_of_things(fovy, share):
    other = pinhole_fovy_deg(180, focal_px(180, fovy) * share)
    if abs(abs(math.log(share)) - math.log(1.05)) > 1e-9:
        assert same_view(fovy, other) == same_view(other, fovy) == (1 / 1.05 < share < 1.05)


def test_an_image_without_pixels_has_no_shape():
    assert not same_shape((0, 0), WIDE)
