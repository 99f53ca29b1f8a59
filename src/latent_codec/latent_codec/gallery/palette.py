"""Colours: one a finger, the same on every hand, so that the eye finds what corresponds."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

# RGB, 0..1
FINGERS: Mapping[str, tuple[float, float, float]] = {
    "thumb": (0.88, 0.33, 0.27),
    "index": (0.95, 0.66, 0.20),
    "middle": (0.29, 0.67, 0.44),
    "ring": (0.22, 0.55, 0.78),
    "little": (0.50, 0.39, 0.70),
}
PALM = (0.80, 0.82, 0.85)
BASE = (0.42, 0.45, 0.50)  # dark parts of the palm: wrist, motors
DARK = 0.5  # mean of a part's own colour below which it is a dark part
DARKER = 0.80

INK, FAINT, RULE, REFUSED = (38, 43, 51), (112, 119, 130), (224, 227, 232), (190, 60, 50)  # RGB, 0..255


def of(finger: str | None, shade: float) -> tuple[float, float, float, float]:
    """RGBA of a part of `finger` (None: palm) whose own colour has the mean `shade`."""
    if finger is None:
        return (*(BASE if shade < DARK else PALM), 1.0)
    factor = DARKER if shade < DARK else 1.0
    red, green, blue = FINGERS[finger]
    return (factor * red, factor * green, factor * blue, 1.0)


def greyed(colours: np.ndarray) -> np.ndarray:
    """The same parts (N, 4) in pale greys."""
    grey = 0.62 + 0.22 * colours[:, :3].mean(axis=1, keepdims=True)
    return np.concatenate([np.repeat(grey, 3, axis=1), colours[:, 3:]], axis=1)
