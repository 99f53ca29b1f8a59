"""What recorded joints did: when they came to rest, how fast they went, whether they moved again. Pure functions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SMOOTH_S = 0.03  # accelerations are slopes of velocity over this time: shorter ones are noise of contacts
WINDOW_S = 0.01  # targets come in steps: their speed is that over this time
JUMP_S = 4.0  # what goes in one instant as far as it may creep in this time, has jumped


@dataclass(frozen=True)
class Track:
    """Joints over time: `times_s` (T,) monotonic and ascending, `velocities` (T, J) per s, `rest` (J,).

    A joint slower than its entry of `rest` counts as standing.
    """

    times_s: np.ndarray
    velocities: np.ndarray
    rest: np.ndarray

    def part(self, start_s: float, end_s: float = np.inf) -> Track:
        """What happened from `start_s` to `end_s`."""
        rows = (self.times_s >= start_s) & (self.times_s < end_s)
        return Track(self.times_s[rows], self.velocities[rows], self.rest)

    @property
    def moving(self) -> np.ndarray:
        """Whether any joint moved, (T,)."""
        return (np.abs(self.velocities) > self.rest).any(axis=1)


def commanded(times_s: np.ndarray, targets: np.ndarray, rest: np.ndarray) -> Track:
    """The motion of targets (T, J): how far they went within the last `WINDOW_S`, or since the sample before where that
    is longer ago, per s.
    """
    past = np.minimum(np.searchsorted(times_s, times_s - WINDOW_S), np.maximum(np.arange(len(times_s)) - 1, 0))
    spans_s = np.maximum(times_s - times_s[past], WINDOW_S)
    return Track(times_s, (targets - targets[past]) / spans_s[:, None], rest)


def standstill_s(track: Track, since_s: float, still_s: float = 0.1) -> float | None:
    """Seconds from `since_s` until all joints stood for the first time, for `still_s` at least; None when they did
    not.
    """
    after = track.part(since_s)
    moving, times = after.moving, after.times_s
    begin = None
    for now, moves in zip(times, moving, strict=True):
        if moves:
            begin = None
        elif begin is None:
            begin = now
        if begin is not None and now - begin >= still_s:
            return float(begin - since_s)
    return None


def rest_s(track: Track, since_s: float, within_s: float) -> float | None:
    """Seconds from `since_s` until commands stood and, for all of `within_s`, stayed; None when they never stood.

    Robots that had no command when a fault began pause, and may go on until it reaches them: that is no rest yet. What
    moves later than `within_s` is found by `moved_after`.
    """
    found = standstill_s(track, since_s)
    while found is not None and moved_after(track, since_s + found, since_s + within_s):
        later = track.part(since_s + found)
        moves_s = float(later.times_s[np.flatnonzero(later.moving)[0]])
        again = standstill_s(track, moves_s)
        found = None if again is None else moves_s - since_s + again
    return found


def last_to_rest(track: Track, at_s: float) -> int | None:
    """The joint that was the fastest of those that moved last before `at_s`; None where none did."""
    before = track.part(-np.inf, at_s)
    moving = np.flatnonzero(before.moving)
    return int((np.abs(before.velocities[moving[-1]]) / track.rest).argmax()) if moving.size else None


def moved_after(track: Track, start_s: float, end_s: float = np.inf, least_s: float = 0.05) -> bool:
    """Whether a joint moved for `least_s` without a pause between `start_s` and `end_s`, or jumped: a shiver is no
    motion.
    """
    within = track.part(start_s, end_s)
    if jumped(within):
        return True
    begin = None
    for now, moves in zip(within.times_s, within.moving, strict=True):
        begin = None if not moves else now if begin is None else begin
        if begin is not None and now - begin >= least_s:
            return True
    return False


def jumped(track: Track) -> bool:
    """Whether a joint went farther within `WINDOW_S`, or between two samples, than it may creep in `JUMP_S`."""
    ways = np.abs(track.velocities[1:]) * np.maximum(np.diff(track.times_s), WINDOW_S)[:, None]
    return bool((ways > JUMP_S * track.rest).any())


def peak_velocity(track: Track, since_s: float) -> np.ndarray:
    """Largest speed of each joint (J,) from `since_s` on; zeros where nothing was recorded."""
    after = track.part(since_s)
    return np.abs(after.velocities).max(axis=0, initial=0.0)


def peak_acceleration(track: Track, since_s: float) -> np.ndarray:
    """Largest slope of the velocity of each joint (J,) over `SMOOTH_S`, per s^2, from `since_s` on."""
    after = track.part(since_s)
    peak, first = np.zeros(len(track.rest)), 0
    for last, now in enumerate(after.times_s):
        while now - after.times_s[first + 1 if first < last else first] >= SMOOTH_S:
            first += 1
        span = now - after.times_s[first]
        if span >= SMOOTH_S:
            peak = np.maximum(peak, np.abs(after.velocities[last] - after.velocities[first]) / span)
    return peak
