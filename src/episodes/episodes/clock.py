"""Clocks that are set back while messages are recorded."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

WINDOW_S = 1.0  # before and after a step back of stamps, in which ages are compared
JUMP_S = 0.1  # messages of one topic overtake each other by less; a clock that is set jumps by more
EXPECTED = "ascending times; cut the bag there"


@dataclass(frozen=True)
class Jump:
    """Times go back by `back_s`, `at_s` after the first; both in s."""

    back_s: float
    at_s: float

    def __str__(self) -> str:
        return f"the clock was set back by {self.back_s:.3f} s, {self.at_s:.2f} s after the first message"


def jump(times: np.ndarray) -> Jump | None:
    """The largest step back of times (K,) int64 ns, in the order in which their messages were written.

    None if there is no step back of more than JUMP_S.
    """
    steps = np.diff(times) * 1e-9
    if not len(steps) or steps.min() >= -JUMP_S:
        return None
    place = int(np.argmin(steps))
    return Jump(float(-steps[place]), float(times[place] - times[0]) * 1e-9)


def stamp_jump(received: np.ndarray, stamps: np.ndarray) -> Jump | None:
    """The largest step back of stamps (K,) at which a clock was set; `received` (K,) int64 ns, ascending, as written.

    A message that its publisher or the middleware delayed is received after newer ones, and is older than they are on
    reception. After a clock was set, all are: their least age rises. A step is not judged where messages of less than
    half of WINDOW_S follow.
    """
    steps, ages = np.diff(stamps) * 1e-9, (received - stamps) * 1e-9
    back = np.flatnonzero(steps < -JUMP_S)
    for place in back[np.argsort(steps[back])]:
        at, window = received[place + 1], int(WINDOW_S * 1e9)
        first, last = np.searchsorted(received, [at - window, at + window])
        rise = ages[place + 1 : last].min() - ages[min(first, place) : place + 1].min()
        if rise > JUMP_S and received[last - 1] - at >= window // 2:
            return Jump(float(-steps[place]), float(stamps[place] - stamps[0]) * 1e-9)
    return None
