"""Checks of an observation before it is acted on: pure functions that return a status.

Images and states that are stale, frozen, out of order or missing are refused, with a status that names the reason.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np

from contracts.freshness import Freshness, freshness

RATE_IMAGES = 16  # of which the rate is measured


class ObservationStatus(str, Enum):
    """Why an observation was refused, or OK."""

    OK = "ok"
    NO_IMAGE = "no_image"
    STALE_IMAGE = "stale_image"
    FUTURE_IMAGE = "future_image"
    FROZEN_IMAGE = "frozen_image"
    IMAGE_SHAPE = "image_shape"
    FIELD_OF_VIEW = "field_of_view"
    STAMP_NOT_ADVANCING = "stamp_not_advancing"
    NO_STATE = "no_state"
    STALE_STATE = "stale_state"
    STATE_NOT_FINITE = "state_not_finite"

    def __str__(self) -> str:
        return self.value


class ImageRate:
    """The typical rate of a camera, from the stamps of its newest images.

    Attributes:
        hz: Images per second, by the median of the intervals; None until there are enough.
    """

    def __init__(self) -> None:
        self._stamps_ns: deque[int] = deque(maxlen=RATE_IMAGES)
        self.hz: float | None = None

    def add(self, stamp_ns: int) -> None:
        """Account for an image."""
        self._stamps_ns.append(stamp_ns)
        if len(self._stamps_ns) == RATE_IMAGES:
            period_ns = float(np.median(np.diff(self._stamps_ns)))
            self.hz = 1e9 / period_ns if period_ns > 0 else None


_IMAGE = {
    Freshness.FRESH: ObservationStatus.OK,
    Freshness.STALE: ObservationStatus.STALE_IMAGE,
    Freshness.FROM_FUTURE: ObservationStatus.FUTURE_IMAGE,
}


@dataclass(frozen=True)
class Frame:
    """The newest camera frame.

    Attributes:
        stamp_ns: Acquisition time, system time.
        image: (H, W, 3) uint8 rgb.
        wrists: (sides, 3) wrist positions, m, at the first of the frames with these pixels.
        repeats: Frames in a row before this one that had the same pixels.
    """

    stamp_ns: int
    image: np.ndarray
    wrists: np.ndarray
    repeats: int = 0


@dataclass(frozen=True)
class State:
    """One side's latent state (axes,) and when it was measured."""

    stamp_ns: int
    vector: np.ndarray


def follow(
    previous: Frame | None, stamp_ns: int, image: np.ndarray, wrists: np.ndarray
) -> tuple[Frame, ObservationStatus]:
    """Return the frame after `previous`, and whether its stamp advances.

    A frame whose stamp does not advance is returned, too: after a clock was set back, one frame is refused, not all.

    Args:
        previous: The frame before, None for the first.
        stamp_ns: Stamp of the image.
        image: (H, W, 3) uint8 rgb.
        wrists: (sides, 3) wrist positions now, m.
    """
    if previous is None:
        return Frame(stamp_ns, image, wrists), ObservationStatus.OK
    if np.array_equal(previous.image, image):
        first = np.where(np.isfinite(previous.wrists), previous.wrists, wrists)
        frame = Frame(stamp_ns, image, first, previous.repeats + 1)
    else:
        frame = Frame(stamp_ns, image, wrists)
    return frame, ObservationStatus.OK if stamp_ns > previous.stamp_ns else ObservationStatus.STAMP_NOT_ADVANCING


def check_age(frame: Frame | None, now_ns: int, max_age_s: float) -> ObservationStatus:
    """Return whether there is a frame, and a fresh one."""
    if frame is None:
        return ObservationStatus.NO_IMAGE
    return _IMAGE[freshness(frame.stamp_ns, now_ns, max_age_s)]


def check_frozen(frame: Frame, wrists: np.ndarray, frozen_frames: int, motion_m: float) -> ObservationStatus:
    """Return whether the camera is frozen: it repeats its pixels while a wrist moves.

    A rendered world at rest gives equal frames for ever, and is not frozen.

    Args:
        frame: The newest frame.
        wrists: (sides, 3) wrist positions now, m.
        frozen_frames: Repetitions that count as frozen; 0 turns the check off.
        motion_m: Motion of a wrist meanwhile that is needed; 0 for noisy sensors, which never repeat their pixels.
    """
    moved = np.linalg.norm(wrists - frame.wrists, axis=-1)
    if frozen_frames and frame.repeats >= frozen_frames and np.any(moved >= motion_m):
        return ObservationStatus.FROZEN_IMAGE
    return ObservationStatus.OK


def state_at(history: Sequence[State], stamp_ns: int) -> State | None:
    """Return the newest state up to the stamp, as in training, else the oldest one; `history` is oldest first."""
    older = [state for state in history if state.stamp_ns <= stamp_ns]
    return older[-1] if older else (history[0] if history else None)


def check_states(states: Mapping[str, State | None], stamp_ns: int, max_age_s: float) -> ObservationStatus:
    """Return whether each side's state is finite and at most `max_age_s` older or newer than the image's stamp."""
    for state in states.values():
        if state is None:
            return ObservationStatus.NO_STATE
        if freshness(state.stamp_ns, stamp_ns, max_age_s, lead_s=max_age_s) is not Freshness.FRESH:
            return ObservationStatus.STALE_STATE
        if not np.isfinite(state.vector).all():
            return ObservationStatus.STATE_NOT_FINITE
    return ObservationStatus.OK
