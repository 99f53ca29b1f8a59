"""Is this observation fit to act on? Pure functions from what was seen and when to a status.

Each default is safe: what is old, repeated, out of order or missing is refused and named.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np

from contracts.freshness import Freshness, freshness


class ObservationStatus(str, Enum):
    """Why an observation was refused, or OK."""

    OK = "ok"
    NO_IMAGE = "no_image"
    STALE_IMAGE = "stale_image"
    FUTURE_IMAGE = "future_image"
    FROZEN_IMAGE = "frozen_image"
    STAMP_NOT_ADVANCING = "stamp_not_advancing"
    NO_STATE = "no_state"
    STALE_STATE = "stale_state"
    STATE_NOT_FINITE = "state_not_finite"

    def __str__(self) -> str:
        return self.value


_IMAGE = {
    Freshness.FRESH: ObservationStatus.OK,
    Freshness.STALE: ObservationStatus.STALE_IMAGE,
    Freshness.FROM_FUTURE: ObservationStatus.FUTURE_IMAGE,
}


@dataclass(frozen=True)
class Frame:
    """The newest camera frame.

    `repeats` counts how many frames in a row before it had the same pixels, `wrists` (sides, 3) is where the wrists
    were (m) at the first of them.
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
    """The next frame after `previous`, with wrists (sides, 3) now; refused if its stamp does not advance.

    The stamp is remembered even then: after a clock was set back one frame is lost, not all.
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
    """Age of the newest frame."""
    if frame is None:
        return ObservationStatus.NO_IMAGE
    return _IMAGE[freshness(frame.stamp_ns, now_ns, max_age_s)]


def check_frozen(frame: Frame, wrists: np.ndarray, frozen_frames: int, motion_m: float) -> ObservationStatus:
    """Whether the camera repeats itself: frozen_frames repetitions while a wrist moved by motion_m or more.

    A rendered world at rest gives equal frames for ever and is not frozen; where the sensor is noisy, motion_m 0
    refuses repetition as such. frozen_frames 0 turns the check off.
    """
    moved = np.linalg.norm(wrists - frame.wrists, axis=-1)
    if frozen_frames and frame.repeats >= frozen_frames and np.any(moved >= motion_m):
        return ObservationStatus.FROZEN_IMAGE
    return ObservationStatus.OK


def state_at(history: Sequence[State], stamp_ns: int) -> State | None:
    """The newest state (history oldest first) not newer than the stamp, as in training; else the oldest one."""
    older = [state for state in history if state.stamp_ns <= stamp_ns]
    return older[-1] if older else (history[0] if history else None)


def check_states(states: Mapping[str, State | None], stamp_ns: int, max_age_s: float) -> ObservationStatus:
    """Whether each side's state belongs to the image's stamp: at most max_age_s apart, either way."""
    for state in states.values():
        if state is None:
            return ObservationStatus.NO_STATE
        if freshness(state.stamp_ns, stamp_ns, max_age_s, lead_s=max_age_s) is not Freshness.FRESH:
            return ObservationStatus.STALE_STATE
        if not np.isfinite(state.vector).all():
            return ObservationStatus.STATE_NOT_FINITE
    return ObservationStatus.OK
