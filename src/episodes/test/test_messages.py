"""Pixels of every encoding that cameras publish and recorders keep."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from episodes import messages
from episodes.metadata import EpisodeError

TYPES = messages.typestore().types
SMOOTH = np.stack([np.tile(np.linspace(20, 230, 16), (12, 1)).astype(np.uint8)] * 3, axis=2)  # grey: chroma is halved
COLOUR = np.random.default_rng(0).integers(0, 256, (12, 16, 3), dtype=np.uint8)


def image(encoding: str, data: np.ndarray, padding: int = 0) -> object:
    height, width = data.shape[:2]
    rows = np.pad(data.reshape(height, -1), ((0, 0), (0, padding)))
    return TYPES[messages.IMAGE](
        header=messages.header(0), height=height, width=width, encoding=encoding, is_bigendian=0,
        step=rows.shape[1], data=rows.reshape(-1),
    )  # fmt: skip


@pytest.mark.parametrize("padding", [0, 4])
@pytest.mark.parametrize(
    ("encoding", "code"),
    [("bgr8", cv2.COLOR_RGB2BGR), ("rgba8", cv2.COLOR_RGB2RGBA), ("bgra8", cv2.COLOR_RGB2BGRA), ("rgb8", None)],
)
def test_colours_are_exact_in_every_order_of_channels(encoding, code, padding):
    data = COLOUR if code is None else cv2.cvtColor(COLOUR, code)
    assert np.array_equal(messages.image_array(image(encoding, data, padding)), COLOUR)


@pytest.mark.parametrize(
    ("encoding", "code"),
    [
        ("yuv422", cv2.COLOR_RGB2YUV_UYVY),
        ("uyvy", cv2.COLOR_RGB2YUV_UYVY),
        ("yuv422_yuy2", cv2.COLOR_RGB2YUV_YUY2),
        ("yuyv", cv2.COLOR_RGB2YUV_YUY2),
    ],
)
def test_yuv422_gives_the_picture_within_its_rounding(encoding, code):
    found = messages.image_array(image(encoding, cv2.cvtColor(SMOOTH, code)))
    assert np.abs(found.astype(int) - SMOOTH).max() <= 3


@pytest.mark.parametrize(("suffix", "most"), [(".png", 0), (".jpg", 8)])
def test_a_compressed_image_gives_its_pixels(suffix, most):
    data = cv2.imencode(suffix, SMOOTH[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])[1].reshape(-1)
    message = TYPES[messages.COMPRESSED](header=messages.header(0), format=f"rgb8; {suffix[1:]} compressed", data=data)
    assert np.abs(messages.image_array(message).astype(int) - SMOOTH).max() <= most


@pytest.mark.parametrize(
    ("format_", "data", "reason"),
    [
        ("jpeg", b"", "0 bytes that are no 'jpeg'"),
        ("jpeg", b"garbage", "7 bytes that are no 'jpeg'"),
        ("16UC1; compressedDepth png", b"", "a colour image"),
    ],
)
def test_a_compressed_image_that_is_none_is_refused(format_, data, reason):
    message = TYPES[messages.COMPRESSED](header=messages.header(0), format=format_, data=np.frombuffer(data, np.uint8))
    with pytest.raises(EpisodeError, match=reason):
        messages.image_array(message)


def test_an_encoding_that_is_not_supported_is_named():
    with pytest.raises(EpisodeError, match="encoding: found '16UC1', expected one of bgr8, bgra8"):
        messages.image_array(image("16UC1", np.zeros((2, 4, 2), np.uint8)))
