"""Text on pictures: the variable font that OpenCV 5 brings, or the stroke font that every OpenCV has."""

from __future__ import annotations

import cv2
import numpy as np

REGULAR, BOLD = 400, 600
STROKES = cv2.FONT_HERSHEY_SIMPLEX
STROKES_PIXELS = 30.0  # a line of the stroke font at scale 1
_FONT = cv2.FontFace("sans") if hasattr(cv2, "FontFace") else None


def width(text: str, size: int, weight: int = REGULAR) -> int:
    """Pixels that `text` takes at a font size in pixels."""
    if _FONT is not None:
        return cv2.getTextSize((1, 1), text, (0, 0), _FONT, size, weight)[2]
    return cv2.getTextSize(text, STROKES, size / STROKES_PIXELS, _thickness(weight))[0][0]


def write(
    picture: np.ndarray,
    text: str,
    at: tuple[float, float],
    size: int,
    colour: tuple[int, int, int],
    weight: int = REGULAR,
    align: float = 0.0,
) -> None:
    """Write `text` onto `picture` (H, W, 3) uint8, its baseline at `at` (x, y).

    `align` 0 starts at x, 0.5 centres on it, 1 ends there.
    """
    place = (round(at[0] - align * width(text, size, weight)), round(at[1]))
    if _FONT is not None:
        cv2.putText(picture, text, place, colour, _FONT, size, weight)
        return
    cv2.putText(picture, text, place, STROKES, size / STROKES_PIXELS, colour, _thickness(weight), cv2.LINE_AA)


def _thickness(weight: int) -> int:
    return 2 if weight >= BOLD else 1
