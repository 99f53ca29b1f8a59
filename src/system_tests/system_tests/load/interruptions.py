"""What a machine that stands still does to robots, told apart from what they do by themselves.

Nothing that runs on a machine can help it when the machine itself does not run, as virtual machines on a shared host do
now and then: servo loops miss their time, devices fall silent, and drivers stop for good, as they should.
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
NEWS_S = 2.5  # drivers report once a second, and what reads them may be late too
RESET_S = 20.0  # a release takes up to 10 s to find all drivers
END_S = 1.0


class Interruptions:
    """Gaps and stops of drivers that came with the machine itself standing still for longer than `excuse_ms`.

    `stood_ms()` is for how long it did so since the call before; `reset()` is what a person does about robots that
    this stopped.
    """

    def __init__(self, excuse_ms: float, stood_ms: Callable[[], float | None], reset: Callable[[], None]) -> None:
        self.gaps: dict[str, int] = {}
        self.stops = 0
        self._excuse_ms, self._stood_ms, self._reset = excuse_ms, stood_ms, reset
        self._look_s = self._excused_s = self._reset_s = 0.0
        self._counts: dict[str, int] = {}
        self._stopped = self._to_reset = False

    def observe(self, now_s: float, statuses: Mapping[str, Status]) -> None:
        """Looks once a second at what drivers have reported, and resets what is to be reset."""
        if now_s < self._look_s:
            return
        self._look_s = now_s + LOOK_S
        if (self._stood_ms() or 0.0) > self._excuse_ms:
            self._excused_s = now_s + NEWS_S
        found = {name: status for name, status in statuses.items() if name.startswith("driver/")}
        self._count_gaps(found, now_s < self._excused_s)
        self._watch_stops(found, now_s)

    def _count_gaps(self, drivers: Mapping[str, Status], excused: bool) -> None:
        for name, status in drivers.items():
            count, before = int(status.number("long_gaps") or 0), self._counts.get(name, 0)
            if count < before:  # figures that a driver has begun anew
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


class Person:
    """While it is entered, somebody who can release the emergency stop and reset all drivers, as the command does.

    Its node is there from the beginning: one that joins a busy graph takes time from the servo loops.
    """

    def __init__(self) -> None:
        self._at_work: threading.Thread | None = None

    def __enter__(self) -> Person:
        rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
        self._node = Node("person", start_parameter_services=False, enable_rosout=False)
        return self

    def __exit__(self, *_: object) -> None:
        rclpy.try_shutdown()
        if self._at_work is not None:
            self._at_work.join(END_S)

    def release(self) -> None:
        """Begin; does not wait. One at a time."""
        if self._at_work is None or not self._at_work.is_alive():
            self._at_work = threading.Thread(target=self._release, name="person", daemon=True)
            self._at_work.start()

    def _release(self) -> None:
        with suppress(ExternalShutdownException):  # the run is over
            release(self._node)
