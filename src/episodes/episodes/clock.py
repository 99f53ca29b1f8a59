"""Clocks that are set back while messages are recorded."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

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
