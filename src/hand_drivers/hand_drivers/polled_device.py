"""A polled device: a thread of its own exchanges data with a slow wire, so that the servo loop never waits for it."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from pydantic import Field

from hand_drivers.device import SLACK, DeviceError, JointSample, Options, check_targets, targets_to_hold
from hand_drivers.ownership import Ownership

JOIN_S = 1.0  # longest time to wait for a thread that hangs in a vendor's library
CLEAR_S = 1.0
PERIOD_S = 0.01  # between two exchanges; a new target starts one at once


class BusOptions(Options):
    """Options of every device behind a slow wire."""

    answer_s: float = Field(0.04, gt=0, le=2, description="longest time to wait for one response")
    max_age_s: float = Field(
        0.1, gt=0, le=2, description="an older measurement is none: the driver counts a miss in each period"
    )
    connect_s: float = Field(3.0, gt=0, le=60, description="longest time until the first response")


@dataclass(frozen=True)
class Answer:
    """A response of a device.

    Attributes:
        stamp_ns: Time of the measurement, system time.
        position: (n,) rad or m.
        velocity: (n,) per second, None where the device does not measure it.
        fault: The device's own fault as text.
    """

    stamp_ns: int
    position: np.ndarray
    velocity: np.ndarray | None = None
    fault: str | None = None


class Wire(Protocol):
    """One connection. All calls come from one thread: open, exchanges, close.

    Any call may raise anything: `open` when there is no connection, `exchange` when a response did not come.
    """

    def open(self) -> None:
        """Connect and enable the device, without motion."""

    def exchange(self, target: np.ndarray | None) -> Answer:
        """Send the target (n,), None where there is no new one, and return the response; bounded in time."""
        ...

    def clear(self) -> None:
        """Try to clear the device's fault; the next response says whether it remains."""

    def close(self) -> None:
        """Close what was opened, if anything was."""


class BusDevice:
    """A `Device` on a polled wire.

    Args:
        name: Its kind and its address, for errors; one driver at a time may use a device.
        joints: Names in the order of the wire's arrays.
        make_wire: Makes a wire for each connection.
        options: Times.
        slack: How far the target of a stopped joint may be from its position, in its own unit.
        line: Path of the serial line, which no other program may use meanwhile; anything else is none.
        port: The usual port of such a device; 0 where its address is none of a network.
    """

    def __init__(
        self,
        name: str,
        joints: tuple[str, ...],
        make_wire: Callable[[], Wire],
        options: BusOptions,
        slack: float = SLACK,
        line: str = "",
        port: int = 0,
    ) -> None:
        self.joints = joints
        self._name, self._make_wire, self._options, self._slack = name, make_wire, options, slack
        self._ownership = Ownership(name, line, port)
        self._connection: _Connection | None = None
        self._target: np.ndarray | None = None  # the last one, also of an earlier connection

    def connect(self) -> None:
        """Open the wire and wait for the first response. Raises DeviceError, also if another driver has the device."""
        self.disconnect()
        self._ownership.take()
        try:
            connection = _Connection(self._name, self._make_wire())
            error = connection.start(self._options.connect_s)
            if error:
                raise DeviceError(f"{self._name}: {error}")
        except Exception:
            self._ownership.release()
            raise
        self._ownership.close_line()
        self._connection = connection

    def read(self) -> JointSample:
        """Newest measured state; effort is 0. Raises DeviceError when it is too old."""
        sample, age_s, error = self._running().newest()
        if age_s > self._options.max_age_s:
            self._running().drop()  # a reconnection must not start with an old target
            raise DeviceError(f"{self._name}: {error or f'no answer for {age_s:.2f} s'}")
        return sample

    def write(self, position: np.ndarray) -> None:
        """Targets for the next exchange. Raises DeviceError for what is not finite."""
        check_targets(self._name, position)
        self._running().send(position)
        self._target = np.array(position, dtype=float)

    def stop(self) -> None:
        """Hold the position, and an object in the hand, also one that was taken before the connection was lost."""
        measured = self.read().position
        self.write(measured if self._target is None else targets_to_hold(self._target, measured, self._slack))

    def fault(self) -> str | None:
        """The fault of the newest response."""
        return self._connection.fault if self._connection is not None else None

    def clear_fault(self) -> None:
        """Clear the fault in the device's thread, and wait for the next response."""
        self._running().clear(CLEAR_S)

    def disconnect(self) -> None:
        """Send a target that is still waiting, and close the wire."""
        if self._connection is not None:
            self._connection.end()
            self._connection = None
        self._ownership.release()

    def _running(self) -> _Connection:
        if self._connection is None:
            raise DeviceError(f"{self._name}: not connected")
        return self._connection


class _Connection:
    """The thread that polls one wire, and its newest response."""

    def __init__(self, name: str, wire: Wire) -> None:
        self._wire = wire
        self._lock, self._end, self._wake = threading.Lock(), threading.Event(), threading.Event()
        self._clearing = False
        self._target: np.ndarray | None = None
        self._newest: tuple[float, JointSample] | None = None  # monotonic time, sample
        self._error: Exception | None = None
        self.fault: str | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self, timeout_s: float) -> str:
        """Open the wire and wait for the first response; returns why there is none, else an empty text."""
        self._thread.start()
        deadline = time.monotonic() + timeout_s
        while self._newest is None and self._thread.is_alive() and time.monotonic() < deadline:
            time.sleep(0.002)
        if self._newest is not None:
            return ""
        self.end()
        return str(self._error or f"no answer in {timeout_s:g} s")

    def newest(self) -> tuple[JointSample, float, Exception | None]:
        """The last sample, its age in s, and the error since."""
        with self._lock:
            assert self._newest is not None, "`start` has waited for it"
            then, sample = self._newest
            return sample, time.monotonic() - then, self._error

    def send(self, target: np.ndarray) -> None:
        """Set the target of the next exchange."""
        with self._lock:
            self._target = np.array(target, dtype=float)
        self._wake.set()

    def drop(self) -> None:
        """Discard a target that was not sent."""
        with self._lock:
            self._target = None

    def clear(self, timeout_s: float) -> None:
        """Clear the fault before the next exchange, and wait for its end."""
        self._clearing = True
        self._wake.set()
        deadline = time.monotonic() + timeout_s
        while self._clearing and self._thread.is_alive() and time.monotonic() < deadline:
            time.sleep(0.005)

    def end(self) -> None:
        """End the thread, which closes its wire as soon as the vendor's library returns."""
        self._end.set()
        self._wake.set()
        self._thread.join(JOIN_S)

    def _run(self) -> None:
        try:
            self._wire.open()
            while not self._end.is_set() or self._target is not None:
                if not self._exchange() and self._end.is_set():
                    return
                self._wake.wait(PERIOD_S)
                self._wake.clear()
        except Exception as error:  # of any vendor's library
            self._error = error
        finally:
            with contextlib.suppress(Exception):  # a lost connection may fail to close
                self._wire.close()

    def _exchange(self) -> bool:
        """Run one request and response; returns whether there was a response."""
        clearing = self._clearing
        with self._lock:
            target, self._target = self._target, None
        try:
            if clearing:
                self._wire.clear()
            sample, fault = self._read(self._wire.exchange(target))
        except Exception as error:  # of any vendor's library; `read` raises it in the driver's thread
            with self._lock:
                self._error = error
                self._target = target if self._target is None else self._target  # it may not have arrived
            return False
        with self._lock:
            self._newest, self._error, self.fault = (time.monotonic(), sample), None, fault
        if clearing:
            self._clearing = False
        return True

    def _read(self, answer: Answer) -> tuple[JointSample, str | None]:
        """The response as a sample; a velocity that is not measured is that since the last response."""
        velocity = answer.velocity
        if velocity is None:
            velocity = np.zeros_like(answer.position)
            last = self._newest[1] if self._newest else None
            if last is not None and answer.stamp_ns > last.stamp_ns:
                velocity = (answer.position - last.position) / (1e-9 * (answer.stamp_ns - last.stamp_ns))
        return JointSample(answer.stamp_ns, answer.position, velocity, np.zeros_like(answer.position)), answer.fault
