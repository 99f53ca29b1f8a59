"""Receives a Unitree G1's state, and detects other programs that command its arms."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

from hand_drivers.device import DeviceError
from hand_drivers.devices.g1_dds import MotorStates
from hand_drivers.devices.g1_wire import STATE, Wire
from hand_drivers.devices.lateness import Lateness


@dataclass(frozen=True)
class Measurement:
    """A measured state.

    Attributes:
        stamp_ns: Time of the measurement, system time, ns.
        then: Time of the measurement, monotonic clock, s.
        motors: State of the motors.
        mode_machine: Type of the robot.
    """

    stamp_ns: int
    then: float
    motors: MotorStates
    mode_machine: int


class Receiver:
    """Polls the robot's topics in one thread; the results may be read from any.

    Attributes:
        newest: The newest measurement, None before the first.
        others_then: Time of the last command of another program, monotonic clock, s.
    """

    def __init__(self) -> None:
        self.newest: Measurement | None = None
        self.others_then = -math.inf
        self._max_age_s = 0.0
        self._error = ""  # of the newest message
        self._lateness = Lateness()

    def begin(self, max_age_s: float) -> None:
        """Discard the measurement; later ones are refused if they are older than `max_age_s`."""
        self.newest, self._max_age_s = None, max_age_s

    def poll(self, wire: Wire) -> None:
        """Take the messages since the last call.

        A late message is refused: the arms would be taken over at old positions, and jump there.
        """
        if wire.others():
            self.others_then = time.monotonic()
        try:
            message = wire.state()
        except DeviceError as error:
            self._error = str(error)
            return
        if message is None:
            return
        late_s = self._lateness.of(message.sample_info.source_timestamp, time.monotonic_ns())
        if late_s > self._max_age_s:
            self._error = f"{STATE}: {late_s:.2f} s late"
            return
        stamp_ns, then = time.time_ns() - round(1e9 * late_s), time.monotonic() - late_s
        self.newest, self._error = Measurement(stamp_ns, then, message.motor_states, message.mode_machine), ""

    def fresh(self) -> Measurement | None:
        """The newest measurement if it is not too old."""
        newest = self.newest
        return newest if newest is not None and time.monotonic() - newest.then <= self._max_age_s else None

    def why_stale(self) -> str:
        """Why there is no fresh measurement."""
        if self._error or self.newest is None:
            return self._error or f"{STATE}: no message"
        return f"{STATE}: no message for {time.monotonic() - self.newest.then:.2f} s"
