"""Selects the camera frames that are the steps of a training episode, and checks that every stream has fresh values.

No value is made up: an episode with a stream that is missing or stale for too long is refused, naming the stream.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from episodes.metadata import EpisodeError

SAME_RATE = 0.05  # camera periods this close to the sampling period are used frame by frame
GAP = 0.5  # fraction of the sampling period by which a frame may differ from its instant


@dataclass(frozen=True)
class Limits:
    """Largest ages of the newest value of a stream at a frame, s, and of what may be cut at either end, s."""

    state_age_s: float = 0.15
    command_age_s: float = 0.5
    trim_s: float = 30.0
    min_steps: int = 10


def choose_frames(topic: str, stamps: np.ndarray, period_s: float) -> np.ndarray:
    """Indices of frames at a period: every frame of a camera at that rate, of a faster one those nearest in time.

    Args:
        topic: Topic of the camera.
        stamps: Ascending stamps (K,), ns.
        period_s: The period, s.

    Raises:
        EpisodeError: For a camera that is too slow or has a gap, naming the topic, the gap and its time.
    """
    if len(stamps) < 2:
        raise EpisodeError("", topic, f"{len(stamps)} frames", "2 or more")
    period = period_s * 1e9
    spacing = np.diff(stamps).astype(np.float64)
    _refuse_gaps(topic, stamps, spacing, period * (1 + GAP))
    if abs(np.median(spacing) / period - 1) <= SAME_RATE:
        return np.arange(len(stamps))
    instants = stamps[0] + np.arange(int((stamps[-1] - stamps[0]) / period) + 1) * period
    after = np.clip(np.searchsorted(stamps, instants), 1, len(stamps) - 1)
    nearer_before = (instants - stamps[after - 1]) <= (stamps[after] - instants)
    chosen = np.where(nearer_before, after - 1, after)
    if (np.diff(chosen) <= 0).any():
        found, expected = (f"{rate:.1f} frames/s" for rate in (1e9 / np.median(spacing), 1 / period_s))
        raise EpisodeError("", topic, found, f"at least {expected}")
    return chosen


def trim(steps_ns: np.ndarray, ages: Mapping[str, np.ndarray], limits: Mapping[str, float], trim_s: float) -> slice:
    """The range of steps in which every stream is fresh.

    Args:
        steps_ns: Stamps of the steps (T,), ns.
        ages: Age of the newest value at each step (T,), s, by topic.
        limits: Largest age, s, by topic.
        trim_s: Longest time that may be cut at either end, where a stream has not started or has ended, s.

    Raises:
        EpisodeError: For a gap in between, or longer ends, naming topic, age and time.
    """
    good = np.ones(len(steps_ns), dtype=bool)
    for topic, age in ages.items():
        good &= age <= limits[topic]
    if not good.any():
        worst = max(ages, key=lambda topic: float(np.min(ages[topic]) - limits[topic]))
        found = f"an age of {np.min(ages[worst]):.3f} s or more at each frame"
        raise EpisodeError("", worst, found, f"at most {limits[worst]:.3f} s at a frame that is fresh in all topics")
    first, last = int(np.argmax(good)), len(good) - 1 - int(np.argmax(good[::-1]))
    for topic, age in ages.items():
        inside = np.flatnonzero(age[first : last + 1] > limits[topic])
        if len(inside):
            at = first + int(inside[0])
            place = f"{(steps_ns[at] - steps_ns[0]) * 1e-9:.2f} s after the first frame"
            raise EpisodeError("", topic, f"a gap, {age[at]:.3f} s {place}", f"at most {limits[topic]:.3f} s")
    _refuse_long_ends(steps_ns, first, last, ages, limits, trim_s)
    return slice(first, last + 1)


def _refuse_gaps(topic: str, stamps: np.ndarray, spacing: np.ndarray, limit: float) -> None:
    if (spacing <= 0).any():
        stamp = int(stamps[int(np.argmin(spacing))])
        raise EpisodeError("", topic, f"two frames with the same stamp {stamp}", "a stamp for each frame")
    if spacing.max() > limit:
        at = int(np.argmax(spacing))
        place = f"{(stamps[at] - stamps[0]) * 1e-9:.2f} s after the first frame"
        raise EpisodeError("", topic, f"a gap of {spacing[at] * 1e-9:.3f} s {place}", f"at most {limit * 1e-9:.3f} s")


def _refuse_long_ends(
    steps_ns: np.ndarray,
    first: int,
    last: int,
    ages: Mapping[str, np.ndarray],
    limits: Mapping[str, float],
    trim_s: float,
) -> None:
    for edge, cut in ((first - 1, steps_ns[first] - steps_ns[0]), (last + 1, steps_ns[-1] - steps_ns[last])):
        if cut * 1e-9 > trim_s:
            absent = [topic for topic, age in ages.items() if age[edge] > limits[topic]]
            where = "first" if edge < first else "last"
            found = f"no fresh values in the {where} {cut * 1e-9:.1f} s"
            raise EpisodeError("", ", ".join(absent), found, f"at most {trim_s:.1f} s without them")
