"""Analysis of recorded joint motion: time to rest, peak velocities, later motion. Pure functions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SMOOTH_S = 0.03  # time over which accelerations are computed; shorter changes are noise of contacts
WINDOW_S = 0.01  # time over which the velocity of targets, which change in steps, is computed
STALL_S, SETTLE_S = 0.015, 0.3  # time without a new state that is a stall, and in which servos catch up after it
CATCHING = 20  # samples for which a joint keeps the speed at which it caught up with its target
FOLLOWS = 3.0  # time constants in which a servo follows
JUMP_S = 4.0  # a step longer than the motion at the rest threshold in this time is a jump


@dataclass(frozen=True)
class Track:
    """Motion of J joints.

    Attributes:
        times_s: Monotonic ascending times (T,), s.
        velocities: (T, J), per s.
        rest: Velocities (J,) below which a joint counts as at rest.
    """

    times_s: np.ndarray
    velocities: np.ndarray
    rest: np.ndarray

    def part(self, start_s: float, end_s: float = np.inf) -> Track:
        """The part from `start_s` to `end_s`."""
        rows = (self.times_s >= start_s) & (self.times_s < end_s)
        return Track(self.times_s[rows], self.velocities[rows], self.rest)

    @property
    def moving(self) -> np.ndarray:
        """Whether any joint moves (T,)."""
        return np.any(np.abs(self.velocities) > self.rest, axis=1)


def commanded(times_s: np.ndarray, positions: np.ndarray, targets: np.ndarray, rest: np.ndarray) -> Track:
    """The motion of targets (T, J) of joints at positions (T, J).

    Velocities are those over the last WINDOW_S, or since an earlier previous sample. A target that comes nearer to its
    joint and does not pass it commands no motion: a finger that is blocked by an object presses less.
    """
    past = np.minimum(np.searchsorted(times_s, times_s - WINDOW_S), np.maximum(np.arange(len(times_s)) - 1, 0))
    spans_s = np.maximum(times_s - times_s[past], WINDOW_S)
    ahead, before = targets - positions, targets[past] - positions
    nearer = (ahead * before >= 0.0) & (np.abs(ahead) < np.abs(before))
    return Track(times_s, np.where(nearer, 0.0, targets - targets[past]) / spans_s[:, None], rest)


def standstill_s(track: Track, since_s: float, still_s: float = 0.1) -> float | None:
    """Time from `since_s` until all joints are at rest for `still_s`, s; None if they never are."""
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
    """Time from `since_s` until commands are at rest, and stay so until `within_s`, s; None if they never are.

    A robot without a command at the start of a fault may move again until the fault reaches it, which is not a rest.
    Motion after `within_s` is found by `moved_after`.
    """
    found = standstill_s(track, since_s)
    while found is not None and moved_after(track, since_s + found, since_s + within_s):
        later = track.part(since_s + found)
        moves_s = float(later.times_s[np.flatnonzero(later.moving)[0]])
        again = standstill_s(track, moves_s)
        found = None if again is None else moves_s - since_s + again
    return found


def last_to_rest(track: Track, at_s: float) -> int | None:
    """The fastest joint of those that moved last before `at_s`; None if none moved."""
    before = track.part(-np.inf, at_s)
    moving = np.flatnonzero(before.moving)
    return int((np.abs(before.velocities[moving[-1]]) / track.rest).argmax()) if moving.size else None


@dataclass(frozen=True)
class Motion:
    """A motion of joint number `joint` from `start_s` on, that is at `speed`, per s."""

    start_s: float
    joint: int
    speed: float


def motion_after(track: Track, start_s: float, end_s: float = np.inf, least_s: float = 0.05) -> Motion | None:
    """The first motion between two times: a joint moves for `least_s` without interruption, or jumps."""
    within = track.part(start_s, end_s)
    begin = None
    jumps = jumped(within)
    for row, (now, moves) in enumerate(zip(within.times_s, within.moving, strict=True)):
        begin = None if not moves else now if begin is None else begin
        if jumps[row] or (begin is not None and now - begin >= least_s):
            joint = int((np.abs(within.velocities[row]) / within.rest).argmax())
            return Motion(float(now if begin is None else begin), joint, float(within.velocities[row, joint]))
    return None


def moved_after(track: Track, start_s: float, end_s: float = np.inf, least_s: float = 0.05) -> bool:
    """Whether `motion_after` finds a motion."""
    return motion_after(track, start_s, end_s, least_s) is not None


def jumped(track: Track) -> np.ndarray:
    """Whether a joint jumped (T,)."""
    return np.any(_jumps(track), axis=1)


def starts_with_jump(track: Track) -> bool:
    """Whether the first motion of a joint is a jump: it does not start where it was."""
    moves = np.abs(track.velocities[1:]) > track.rest
    first = moves & (np.cumsum(moves, axis=0) == 1)
    return bool((first & _jumps(track)[1:]).any())


def _jumps(track: Track) -> np.ndarray:
    """Whether each joint moved farther since the sample before, or in WINDOW_S, than at rest in JUMP_S (T, J)."""
    ways = np.abs(track.velocities[1:]) * np.maximum(np.diff(track.times_s), WINDOW_S)[:, None]
    return np.concatenate([np.zeros_like(track.velocities[:1], dtype=bool), ways > JUMP_S * track.rest])


def held_off(
    times_s: np.ndarray, errors: np.ndarray, rest_s: float, lag_s: np.ndarray, least: np.ndarray
) -> np.ndarray:
    """The joints (J,) bool that something keeps from their targets, which are at rest.

    Args:
        times_s: Monotonic ascending times (T,), s.
        errors: Distances of the joints from their targets (T, J).
        rest_s: When the targets came to rest.
        lag_s: Time constants of the servos (J,), s.
        least: Errors (J,) that a servo does not leave when it had time to follow.
    """
    rows = np.searchsorted(times_s, rest_s + FOLLOWS * lag_s)
    late = np.append(np.abs(errors), np.zeros((1, errors.shape[1])), axis=0)  # what was not recorded yet counts as free
    return late[rows, np.arange(errors.shape[1])] > least


def without(track: Track, joints: np.ndarray) -> Track:
    """A track in which some joints (J,) bool never move."""
    return Track(track.times_s, np.where(joints, 0.0, track.velocities), track.rest)


def peak_velocity(track: Track, since_s: float) -> np.ndarray:
    """Largest speed of each joint (J,) from `since_s` on; zeros without samples."""
    after = track.part(since_s)
    return np.abs(after.velocities).max(axis=0, initial=0.0)


def without_stalls(track: Track) -> Track:
    """Without the time after a stall of the simulated world: the targets moved on, and servos catch up with them."""
    new = np.append(True, np.any(np.diff(track.velocities, axis=0) != 0.0, axis=1))
    at = track.times_s[new[: len(track.times_s)]]
    ends = at[1:][np.diff(at) > STALL_S]
    age_s = track.times_s - np.append(-np.inf, ends)[np.searchsorted(ends, track.times_s, side="right")]
    kept = age_s > SETTLE_S
    return Track(track.times_s[kept], track.velocities[kept], track.rest)


def driven(velocities: np.ndarray, efforts: np.ndarray) -> np.ndarray:
    """Velocities (T, J) where the servo's effort (T, J) is along the motion in this sample and the next, else zero."""
    after = np.append(efforts[1:], efforts[-1:], axis=0)
    return np.where((velocities * efforts > 0.0) & (velocities * after > 0.0), velocities, 0.0)


def excess(speeds: np.ndarray, errors: np.ndarray, limits: np.ndarray, lag_s: np.ndarray) -> np.ndarray:
    """Speeds as multiples of what limits and servos permit: the limit, or what catches up with a target ahead.

    Args:
        speeds: Of J joints (T, J), per s.
        errors: Distances of the joints from their targets (T, J).
        limits: Speed limits (J,).
        lag_s: Time constants of the servos (J,), s.
    """
    before = np.concatenate([np.zeros((CATCHING, errors.shape[1])), np.abs(errors)])
    recent = np.lib.stride_tricks.sliding_window_view(before, CATCHING + 1, axis=0).max(axis=-1)
    return np.abs(speeds) / np.maximum(limits, recent / lag_s)


def peak_acceleration(track: Track, since_s: float) -> np.ndarray:
    """Largest acceleration of each joint (J,) over SMOOTH_S, per s^2, from `since_s` on."""
    after = track.part(since_s)
    peak, first = np.zeros(len(track.rest)), 0
    for last, now in enumerate(after.times_s):
        while now - after.times_s[first + 1 if first < last else first] >= SMOOTH_S:
            first += 1
        span = now - after.times_s[first]
        if span >= SMOOTH_S:
            peak = np.maximum(peak, np.abs(after.velocities[last] - after.velocities[first]) / span)
    return peak
