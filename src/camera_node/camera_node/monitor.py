"""The state of a camera, from its frames and the times that the caller passes."""

from __future__ import annotations

from collections import deque
from enum import Enum

import numpy as np

from camera_node.source import Frame

PATIENCE = 2.0  # frame periods without a new frame after which the camera is stopped
FIRST_PERIOD_S = 0.5  # assumed until the rate is known
ENOUGH, WINDOW = 5, 30  # least and largest number of intervals of which the rate is measured


class State(str, Enum):
    """State of a camera: no frame yet, new frames, no frames, repeated frames."""

    STARTING = "starting"
    STREAMING = "streaming"
    STOPPED = "stopped"
    FROZEN = "frozen"

    def __str__(self) -> str:
        return self.value


class FrameMonitor:
    """Distinguishes new frames from repeated ones, and gives the time at which the next one is overdue.

    A frame is new if its stamp is newer than the previous one's and, for a camera that `always_changes`, if its pixels
    differ. Times are monotonic seconds.

    Args:
        rate_hz: Frames per second; 0: measured.
        always_changes: Whether the noise of the sensor makes any two frames differ.
    """

    def __init__(self, rate_hz: float = 0.0, always_changes: bool = False) -> None:
        self._nominal_s = 1.0 / rate_hz if rate_hz > 0 else 0.0
        self._always_changes = always_changes
        self._last: Frame | None = None
        self.restart()

    def restart(self) -> None:
        """Discard all times, after the camera was reopened. The last frame is kept, as a frozen camera repeats it."""
        self._last_s: float | None = None
        self._repeats = 0
        self._intervals: deque[float] = deque(maxlen=WINDOW)

    def accept(self, frame: Frame, now_s: float) -> bool:
        """Account for a frame; returns whether it is new. One that is not must not be published."""
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
        """Time after which the camera is stopped unless a new frame comes; None before the first."""
        return None if self._last_s is None else self._last_s + PATIENCE * self.period_s

    def state(self, now_s: float) -> State:
        """The camera's state at time `now_s`."""
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
