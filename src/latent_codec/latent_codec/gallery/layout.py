"""The grid: hands beside each other, one latent a row, names above and on the left, legend below."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from latent_codec.gallery import palette, text
from latent_codec.gallery.cells import Frame

MAX_WIDTH = 1600  # pixels
MAX_SCALE = 1150  # pixels a metre
TOP, BOTTOM, RIGHT = 76, 44, 20
GAP = 12  # between columns
NAME, ROW, NOTE = 21, 24, 19  # font sizes, pixels
LINE = 26
MIN_CELL = 24


@dataclass(frozen=True)
class Shelf:
    """A row of cells of one scale: where each starts and how wide it is, and how high all are, in pixels."""

    lefts: tuple[int, ...]
    widths: tuple[int, ...]
    height: int
    right: int

    @classmethod
    def place(cls, views: Sequence[Frame], scale: float, left: int = 0) -> Shelf:
        """Cells at `scale` pixels a metre from `left` on."""
        widths = [max(MIN_CELL, round(view.width_m * scale)) for view in views]
        lefts = [left + GAP // 2 + sum(widths[:index]) + GAP * index for index in range(len(widths))]
        return cls(tuple(lefts), tuple(widths), round(views[0].height_m * scale), lefts[-1] + widths[-1] + GAP // 2)


def scale_to_fit(views: Sequence[Frame], pixels: int) -> float:
    """The largest scale, in pixels a metre, at which the cells fit beside each other in `pixels`."""
    room = pixels - GAP * len(views) - len(views)  # a pixel a cell for rounding
    return min(MAX_SCALE, room / sum(view.width_m for view in views))


def labels(rows: Iterable[str]) -> int:
    """Width of the column of row names in pixels."""
    return 2 * RIGHT + max(round(text.width(row, ROW, text.BOLD)) for row in rows)


def compose(
    shelf: Shelf, names: Sequence[str], rows: Mapping[str, Sequence[np.ndarray]], notes: Sequence[str]
) -> np.ndarray:
    """Picture (H, W, 3) uint8 RGB of cells (row -> a cell a hand)."""
    step = shelf.height + GAP
    bottom = TOP + len(rows) * step
    picture = blank(shelf.right + RIGHT, bottom + BOTTOM + 14 + LINE * len(notes))
    for name, left, width in zip(names, shelf.lefts, shelf.widths, strict=True):
        write_name(picture, name, (left + width / 2, TOP - 16), width + GAP - 4)
    for index, (row, cells) in enumerate(rows.items()):
        top = TOP + index * step
        rule(picture, top)
        text.write(picture, row, (RIGHT, top + step / 2 + ROW / 3), ROW, palette.INK, text.BOLD)
        for left, cell in zip(shelf.lefts, cells, strict=True):
            paste(picture, cell, left, top + GAP // 2)
    rule(picture, bottom)
    legend(picture, (RIGHT, bottom + BOTTOM - 10))
    for index, note in enumerate(notes):
        text.write(picture, note, (RIGHT, bottom + BOTTOM + (index + 1) * LINE - 4), NOTE, palette.FAINT)
    return picture


def paste(picture: np.ndarray, cell: np.ndarray, left: int, top: int) -> None:
    """Put a cell (h, w, 3) in its place."""
    picture[top : top + cell.shape[0], left : left + cell.shape[1]] = cell


def blank(width: int, height: int) -> np.ndarray:
    """White picture (H, W, 3), of even size, which video codecs require."""
    return np.full((height + height % 2, width + width % 2, 3), 255, dtype=np.uint8)


def rule(picture: np.ndarray, y: int) -> None:
    """A thin line across, at row `y`."""
    picture[y : y + 1, RIGHT:-RIGHT] = palette.RULE


def write_name(picture: np.ndarray, name: str, at: tuple[float, float], width: int, lines: int = 2) -> None:
    """A hand's name centred above `at`, in up to `lines` lines where one is too wide, smaller if that is too wide."""
    spoken = name.replace("_", " ")
    fits = text.width(spoken, NAME, text.BOLD) <= width - 8
    parts = [spoken] if fits else spoken.split(" ", lines - 1)
    widest = max(text.width(part, NAME, text.BOLD) for part in parts)
    size = NAME if widest <= width - 4 else int(NAME * (width - 4) / widest)
    for index, part in enumerate(reversed(parts)):
        text.write(picture, part, (at[0], at[1] - index * LINE), size, palette.INK, text.BOLD, align=0.5)


def legend(picture: np.ndarray, at: tuple[float, float]) -> None:
    """The fingers and their colours, from left to right, the first at `at` (x, baseline)."""
    x, y = at
    for finger, colour in palette.FINGERS.items():
        centre = (round(x + 8), round(y - NOTE * 0.36))
        cv2.circle(picture, centre, 8, [round(255 * value) for value in colour], -1, cv2.LINE_AA)
        text.write(picture, finger, (x + 24, y), NOTE, palette.INK)
        x += 24 + text.width(finger, NOTE) + 28
