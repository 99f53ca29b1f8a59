"""Is a camera alive? Pure bookkeeping of its frames, told the time by its caller."""

from __future__ import annotations

from collections import deque
from enum import Enum

import numpy as np

from camera_node.source import Frame

PATIENCE = 2.0  # frame periods without a new picture before the camera counts as stopped
FIRST_PERIOD_S = 0.5  # assumed until the rate is known
ENOUGH, WINDOW = 5, 30  # intervals that make the rate known, and how many are remembered


class State(str, Enum):
    """Of a camera: no frame yet, frames arrive, none arrive, the same one arrives again and again."""

    STARTING = "starting"
    STREAMING = "streaming"
    STOPPED = "stopped"
    FROZEN = "frozen"

    def __str__(self) -> str:
        return self.value


class FrameMonitor:
    """Tells new frames from repeated ones and knows when the next one is overdue.

    A frame is new if its stamp is newer than the last one's and, for a camera that `always_changes`, if its pixels
    differ. `rate_hz` 0 means: measure it. Times are monotonic seconds.
    """

    def __init__(self, rate_hz: float = 0.0, always_changes: bool = False) -> None:
        self._nominal_s = 1.0 / rate_hz if rate_hz > 0 else 0.0
        self._always_changes = always_changes
        self._last: Frame | None = None
        self.restart()

    def restart(self) -> None:
        """Forget all times, since the camera was opened anew; a frozen one still gives the picture it gave before."""
        self._last_s: float | None = None
        self._repeats = 0
        self._intervals: deque[float] = deque(maxlen=WINDOW)

    def accept(self, frame: Frame, now_s: float) -> bool:
        """Whether the frame is new; one that is not must not be shown to anyone as if it were."""
        if self._last is not None and not self._is_new(frame, self._last):
            self._repeats += 1
            return False
        if self._last is not None and self._last_s is not None:
            self._intervals.append((frame.stamp_ns - self._last.stamp_ns) * 1e-9)
        self._last, self._last_s, self._repeats = frame, now_s, 0
        return True

    @property
    def period_s(self) -> float:
        """Expected time between frames, seconds."""
        if self._nominal_s:
            return self._nominal_s
        return float(np.median(self._intervals)) if len(self._intervals) >= ENOUGH else FIRST_PERIOD_S

    @property
    def rate_hz(self) -> float:
        """Measured rate over the last frames, 0 while unknown."""
        return len(self._intervals) / total if (total := sum(self._intervals)) > 0 else 0.0

    @property
    def overdue_s(self) -> float | None:
        """When the camera will count as stopped unless a new frame comes; None before the first."""
        return None if self._last_s is None else self._last_s + PATIENCE * self.period_s

    def state(self, now_s: float) -> State:
        """The camera's state at a time."""
        overdue = self.overdue_s
        if overdue is not None and now_s < overdue:
            return State.STREAMING
        if overdue is None and not self._repeats:
            return State.STARTING
        return State.FROZEN if self._repeats else State.STOPPED

    def _is_new(self, frame: Frame, last: Frame) -> bool:
        if self._last_s is not None and frame.stamp_ns <= last.stamp_ns:
            return False
        return not (self._always_changes and np.array_equal(frame.rgb, last.rgb))
