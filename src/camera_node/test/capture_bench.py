"""A camera with faults, and a capture of it that records all it reports."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import numpy as np

from camera_node.capture import Capture
from camera_node.monitor import FrameMonitor
from camera_node.source import Frame, SourceEnded, SourceError
from node_kit.testing import HANGING_S

PERIOD_S = 0.02
EXPECTED_S = 2 * PERIOD_S  # what the monitor expects: more, so that a late thread is no slow camera


class Camera:
    """Gives a frame a period while its condition is `fine`; else it is silent, frozen, hangs, breaks or ends."""

    def __init__(self) -> None:
        self.condition, self.away, self.answer = "fine", False, "nobody\n  answers"
        self.opened_s: list[float] = []
        self.closed = self.count = 0
        self.released = threading.Event()

    def open(self) -> None:
        self.opened_s.append(time.monotonic())
        if self.away:
            raise SourceError(self.answer)

    def read(self) -> Frame | None:
        time.sleep(PERIOD_S)
        if self.condition == "broken":
            raise OSError("the cable is out")
        if self.condition == "over":
            raise SourceEnded("played to the end")
        if self.condition == "hanging":
            self.released.wait(HANGING_S)
        self.count += self.condition in ("fine", "hanging")
        if self.condition == "silent":
            return None
        return Frame(time.time_ns(), np.full((2, 2, 3), self.count % 256, np.uint8))

    def close(self) -> None:
        self.closed += 1


class Bench:
    """A capture of the camera, and all it reports."""

    def __init__(self, reopen_after_s: float | None) -> None:
        self.camera = Camera()
        self.frames: list[Frame] = []
        self.state_changes: list[tuple[float, str]] = []
        self.problems: list[str] = []
        monitor = FrameMonitor(1 / EXPECTED_S, always_changes=True)
        self.capture = Capture(self.camera, monitor, self.frames.append, self._on_change, reopen_after_s)

    def _on_change(self) -> None:
        self.state_changes.append((time.monotonic(), self.capture.state))
        self.problems.append(self.capture.problem)

    def wait_for(self, condition: Callable[[], object], what: str) -> None:
        deadline = time.monotonic() + HANGING_S
        while not condition():
            assert time.monotonic() < deadline, f"{what} did not happen; reported {self.state_changes}"
            time.sleep(0.005)

    def wait_for_state(self, state: str) -> float:
        """Return the time (s) of the report."""
        self.wait_for(lambda: any(reported == state for _, reported in self.state_changes), f"the state {state}")
        return next(when for when, reported in self.state_changes if reported == state)

    def stream(self) -> Bench:
        self.capture.start()
        self.wait_for(lambda: len(self.frames) >= 5, "the first frames")
        return self

    def change(self, condition: str) -> float:
        """Change the camera's condition, clear the recorded reports and return the time (s) of the change."""
        self.state_changes.clear()
        self.camera.condition = condition
        return time.monotonic()
