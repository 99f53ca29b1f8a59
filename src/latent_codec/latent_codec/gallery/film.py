"""The film: position of each frame on the path, layout of the hands, and the files."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from latent_codec.gallery import layout, palette, text
from latent_codec.gallery.cells import Frame

CODECS = ("vp09", "mp4v")  # the first that this OpenCV can write; browsers play the first alone
VIDEO_PIXELS = 340_000  # of a frame of the video at most: 7 s of twelve hands stay below 2 MB
EVERY = 2  # frame of the film that the animated picture keeps
QUALITY = 70  # of an animated WebP
TOP, NAMES, EDGE = 84, 52, 24  # pixels
MOST_IN_A_ROW = 7


class GalleryError(RuntimeError):
    """No picture or film can be made; one line: where, found, expected."""


@dataclass(frozen=True)
class Settings:
    """Length of a piece of the path and of the rest before it in seconds, frames a second, width in pixels.

    `straight_in`: a piece of the path is a straight line for the latent ("latent"), or for the joints of the hand that
    leads, whose latents the others follow ("joints").
    """

    piece_s: float = 1.35
    rest_s: float = 0.45
    rate_hz: int = 30
    width: int = 1120
    straight_in: str = "latent"


def places(pieces: int, settings: Settings) -> np.ndarray:
    """Where on the path each frame is, (F,) from 0 to `pieces`: resting at whole numbers, eased in between."""
    rest, move = (round(settings.rate_hz * seconds) for seconds in (settings.rest_s, settings.piece_s))
    share = np.arange(1, move + 1) / move
    eased = share**3 * (10 - 15 * share + 6 * share**2)  # at rest at both ends, and without a jolt
    parts = [np.concatenate([np.full(rest, float(piece)), piece + eased]) for piece in range(pieces)]
    return np.concatenate(parts)


def along(corners: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Latents (F, N) on the straight lines between `corners` (K, N) at places (F,) in 0 .. K - 1."""
    start = np.minimum(at.astype(int), len(corners) - 2)
    share = (at - start)[:, None]
    return (1 - share) * corners[start] + share * corners[start + 1]


@dataclass(frozen=True)
class Stage:
    """Hands in one or two rows; `shelves`: the cells of each row, rows centred in `width` pixels."""

    hands: tuple[str, ...]
    shelves: tuple[layout.Shelf, ...]
    width: int

    @classmethod
    def fit(cls, hands: Sequence[str], views: Sequence[Frame], width: int) -> Stage:
        """As large as `width` allows."""
        count = math.ceil(len(hands) / MOST_IN_A_ROW)
        columns = math.ceil(len(hands) / count)
        rows = [views[start : start + columns] for start in range(0, len(views), columns)]
        scale = min(layout.scale_to_fit(row, width - 2 * EDGE) for row in rows)
        loose = [layout.Shelf.place(row, scale) for row in rows]
        shelves = [
            layout.Shelf.place(row, scale, (width - shelf.right) // 2) for row, shelf in zip(rows, loose, strict=True)
        ]
        return cls(tuple(hands), tuple(shelves), width)

    @property
    def sizes(self) -> list[tuple[int, int]]:
        """Width and height of each hand's cell in pixels."""
        return [(width, shelf.height) for shelf in self.shelves for width in shelf.widths]

    def picture(self, path: Sequence[str], place: float, cells: Sequence[np.ndarray]) -> np.ndarray:
        """One frame (H, W, 3) uint8 RGB: where on `path` we are, and a cell a hand."""
        step = self.shelves[0].height + NAMES
        picture = layout.blank(self.width, TOP + len(self.shelves) * step)
        timeline(picture, path, place)
        spots = [(left, TOP + row * step) for row, shelf in enumerate(self.shelves) for left in shelf.lefts]
        for name, cell, (left, top) in zip(self.hands, cells, spots, strict=True):
            height, width = cell.shape[:2]
            layout.paste(picture, cell, left, top)
            layout.write_name(picture, name, (left + width / 2, top + height + 28), width + layout.GAP, lines=1)
        return picture


def timeline(picture: np.ndarray, path: Sequence[str], place: float) -> None:
    """The path as a line with a dot on it; the name of the corner it is at in black."""
    first, last, y = 2.5 * EDGE, picture.shape[1] - 2.5 * EDGE, 30
    step = (last - first) / (len(path) - 1)
    cv2.line(picture, (round(first), y), (round(last), y), palette.RULE, 2, cv2.LINE_AA)
    for index, name in enumerate(path):
        x, here = first + index * step, abs(place - index) < 0.5
        cv2.circle(picture, (round(x), y), 5, palette.RULE, -1, cv2.LINE_AA)
        colour = palette.INK if here else palette.FAINT
        text.write(picture, name, (x, y + 32), layout.NAME, colour, text.BOLD if here else text.REGULAR, align=0.5)
    fine = (round((first + place * step) * 16), y * 16)
    cv2.circle(picture, fine, 8 * 16, palette.INK, -1, cv2.LINE_AA, 4)


def write(pictures: Iterable[np.ndarray], settings: Settings, video: Path | None, animation: Path | None) -> None:
    """Write a video, an animated picture, or both.

    Args:
        pictures: Frames (H, W, 3) uint8 RGB.
        settings: Frames a second.
        video: The .mp4 file.
        animation: The .webp or .gif file.

    Raises:
        GalleryError: OpenCV cannot write such a file.
        OSError: A folder cannot be created.
    """
    writer, kept = None, []
    if animation and not hasattr(cv2, "Animation"):
        raise GalleryError(f"animation: found OpenCV {cv2.__version__}, expected 4.11 or later")
    try:
        for index, picture in enumerate(pictures):
            frame = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
            if video:
                small = _shrunk(frame)
                writer = writer or _open(video, settings.rate_hz, small.shape)
                writer.write(small)
            if animation and index % EVERY == 0:
                kept.append(frame)
    finally:
        if writer is not None:
            writer.release()
    if animation:
        _animate(kept, animation, round(1000 * EVERY / settings.rate_hz))


def _shrunk(frame: np.ndarray) -> np.ndarray:
    """A frame (H, W, 3) with at most VIDEO_PIXELS, sizes even."""
    height, width = frame.shape[:2]
    scale = min(1.0, math.sqrt(VIDEO_PIXELS / (height * width)))
    size = (2 * int(width * scale / 2), 2 * int(height * scale / 2))
    return frame if scale == 1.0 else cv2.resize(frame, size, interpolation=cv2.INTER_AREA)


def _open(out: Path, rate_hz: float, shape: tuple[int, ...]) -> cv2.VideoWriter:
    out.parent.mkdir(parents=True, exist_ok=True)
    for codec in CODECS:
        writer = cv2.VideoWriter(str(out), cv2.VideoWriter.fourcc(*codec), rate_hz, (shape[1], shape[0]))
        if writer.isOpened():
            return writer
    raise GalleryError(f"video: found {out}, expected an .mp4 file that can be written")


def _animate(kept: Sequence[np.ndarray], out: Path, duration_ms: int) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    animation = cv2.Animation()
    animation.frames, animation.durations = list(kept), [duration_ms] * len(kept)
    if not cv2.imwriteanimation(str(out), animation, [cv2.IMWRITE_WEBP_QUALITY, QUALITY]):
        raise GalleryError(f"animation: found {out}, expected a .webp or .gif file that can be written")
