"""Separates the effects of scheduler stalls from those of the graph.

Virtual machines on a shared host do not run at times (steal time). Servo loops then miss deadlines, devices are lost,
and drivers stop, as they should; no program on the machine can prevent it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from bringup.monitor import Status
from bringup.release import release
from system_tests.load.accounting import STANDING

LOOK_S = 1.0
NEWS_S = 2.5  # drivers report once a second; with the delay of their reader
RESET_S = 20.0  # a release takes up to 10 s to find all drivers
END_S = 1.0


class Interruptions:
    """Counts gaps and stops of drivers during long scheduler stalls, and resets the drivers after such a stop.

    Args:
        excuse_ms: Longest stall that does not count, ms.
        stall_ms: Returns the longest stall since its last call, ms; None if unknown.
        reset: Resets all drivers, as an operator would.
    """

    def __init__(self, excuse_ms: float, stall_ms: Callable[[], float | None], reset: Callable[[], None]) -> None:
        self.gaps: dict[str, int] = {}
        self.stops = 0
        self._excuse_ms, self._stall_ms, self._reset = excuse_ms, stall_ms, reset
        self._look_s = self._excused_s = self._reset_s = 0.0
        self._counts: dict[str, int] = {}
        self._stopped = self._to_reset = False

    def observe(self, now_s: float, statuses: Mapping[str, Status]) -> None:
        """Check the drivers' reports once a second, and reset the drivers if necessary."""
        if now_s < self._look_s:
            return
        self._look_s = now_s + LOOK_S
        if (self._stall_ms() or 0.0) > self._excuse_ms:
            self._excused_s = now_s + NEWS_S
        found = {name: status for name, status in statuses.items() if name.startswith("driver/")}
        self._count_gaps(found, now_s < self._excused_s)
        self._watch_stops(found, now_s)

    def _count_gaps(self, drivers: Mapping[str, Status], excused: bool) -> None:
        for name, status in drivers.items():
            count, before = int(status.number("long_gaps") or 0), self._counts.get(name, 0)
            if count < before:  # a restarted driver
                before = self.gaps[name] = 0
            if excused:
                self.gaps[name] = self.gaps.get(name, 0) + count - before
            self._counts[name] = count

    def _watch_stops(self, drivers: Mapping[str, Status], now_s: float) -> None:
        stopped = any(status.message not in STANDING for status in drivers.values())
        if stopped and not self._stopped and now_s < self._excused_s:
            self.stops, self._to_reset, self._reset_s = self.stops + 1, True, now_s + NEWS_S  # all of them, by then
        self._to_reset &= stopped
        self._stopped = stopped
        if self._to_reset and now_s > self._reset_s:
            self._reset_s = now_s + RESET_S
            self._reset()


class Operator:
    """Releases the emergency stop and resets all drivers, as the command does; a context manager.

    Its node exists from the start: the discovery of a new node in a busy graph takes time from the servo loops.
    """

    def __init__(self) -> None:
        self._at_work: threading.Thread | None = None

    def __enter__(self) -> Operator:
        rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
        self._node = Node("operator", start_parameter_services=False, enable_rosout=False)
        return self

    def __exit__(self, *_: object) -> None:
        rclpy.try_shutdown()
        if self._at_work is not None:
            self._at_work.join(END_S)

    def release(self) -> None:
        """Start a release, unless one is in progress; does not wait for it."""
        if self._at_work is None or not self._at_work.is_alive():
            self._at_work = threading.Thread(target=self._release, name="operator", daemon=True)
            self._at_work.start()

    def _release(self) -> None:
        with suppress(ExternalShutdownException):  # the run is over
            release(self._node)
