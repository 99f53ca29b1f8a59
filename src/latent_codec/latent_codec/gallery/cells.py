"""Cells: a decoded latent, drawn with a soft shadow, and labelled if the decoder refused it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np

from latent_codec.codec import DecodeStatus
from latent_codec.gallery import palette, text
from latent_codec.gallery.scene import HandScene

SHADOW, SHADOW_BLUR, SHADOW_SHIFT = 0.20, 0.035, (0.025, 0.03)  # strength; shares of the cell's width
LABEL = 0.07  # share of the height of a cell
MARGIN_M = 0.013  # around the hand, which leaves room for its shadow


class Shown(Protocol):
    """What is shown of a codec; `Codec` is one."""

    hands: tuple[str, ...]
    latent_space: str

    def encode(self, hand: str, q: np.ndarray) -> np.ndarray:
        """See `Codec`."""
        ...

    def decode(self, hand: str, z: np.ndarray) -> tuple[np.ndarray, DecodeStatus]:
        """See `Codec`."""
        ...


@dataclass(frozen=True)
class Decoded:
    """One latent decoded: joints (n,) in rad and whether they are to be executed."""

    joints: np.ndarray
    status: DecodeStatus

    @property
    def refused(self) -> bool:
        """Whether the decoder refused the latent."""
        return self.status is not DecodeStatus.OK


@dataclass(frozen=True)
class Frame:
    """What a cell shows of the hand: the centre (right, up), the width and the height, all in m."""

    centre: np.ndarray
    width_m: float
    height_m: float


def decode_each(codec: Shown, hand: str, latents: np.ndarray, fallback: np.ndarray) -> list[Decoded]:
    """Latents (M, N) decoded one by one; a refused one keeps the joints before it, at first `fallback` (n,)."""
    result: list[Decoded] = []
    for latent in latents:
        joints, status = codec.decode(hand, latent[None])
        held = result[-1].joints if result else fallback
        result.append(Decoded(joints[0] if status is DecodeStatus.OK else held, status))
    return result


def frames(extents: Sequence[tuple[np.ndarray, np.ndarray]]) -> list[Frame]:
    """One frame a hand, as wide as that hand needs and as high as the highest; from (smallest, largest) corners."""
    height = max(float(high[1] - low[1]) for low, high in extents) + 2 * MARGIN_M
    return [Frame((low + high) / 2, float(high[0] - low[0]) + 2 * MARGIN_M, height) for low, high in extents]


def draw(scene: HandScene, decoded: Decoded, frame: Frame, size: tuple[int, int], shadow: float = SHADOW) -> np.ndarray:
    """Cell (H, W, 3) uint8 RGB on white; `size` is its width and height in pixels, `shadow` the wall's darkness."""
    layer = scene.render(decoded.joints, size, frame.centre, frame.height_m, decoded.refused)
    shade = shadow * _blurred(layer[..., 3])
    picture = layer[..., :3] + (1 - layer[..., 3:]) * (1 - shade[..., None])
    cell = np.clip(np.rint(255 * picture), 0, 255).astype(np.uint8)
    if decoded.refused:
        _label(cell)
    return cell


def count(decoded: Sequence[Sequence[Decoded]]) -> tuple[int, int]:
    """How many latents were refused, and how many there were."""
    return sum(cell.refused for cells in decoded for cell in cells), sum(map(len, decoded))


def _label(cell: np.ndarray) -> None:
    """Write "refused" at the foot of a cell, on a pale band."""
    height, width = cell.shape[:2]
    size = max(11, round(LABEL * height))
    band = cell[height - round(1.6 * size) :]
    band[:] = np.rint(0.2 * band + 0.8 * 255)
    text.write(cell, "refused", (width / 2, height - round(0.5 * size)), size, palette.REFUSED, text.BOLD, align=0.5)


def _blurred(coverage: np.ndarray) -> np.ndarray:
    """Where the wall behind is in shadow, (H, W) in 0..1."""
    width = coverage.shape[1]
    shift = np.array([[1, 0, SHADOW_SHIFT[0] * width], [0, 1, SHADOW_SHIFT[1] * width]], np.float32)
    moved = cv2.warpAffine(coverage, shift, (width, coverage.shape[0]))
    return cv2.GaussianBlur(moved, (0, 0), SHADOW_BLUR * width)
