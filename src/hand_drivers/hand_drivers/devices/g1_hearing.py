"""What is heard of a Unitree G1: its newest state, how old that is, and whether somebody else commands its arms."""

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
    """A state, and when it was due by the system clock (ns) and by the monotonic one (s)."""

    stamp_ns: int
    then: float
    motors: MotorStates
    mode_machine: int


class Hearing:
    """One thread looks; what it found may be asked for from any.

    `newest`: the newest measurement, None before the first. `others_then`: when somebody else commanded the arms last,
    by the monotonic clock, s.
    """

    def __init__(self) -> None:
        self.newest: Measurement | None = None
        self.others_then = -math.inf
        self._max_age_s = 0.0
        self._damage = ""  # what is wrong with what we hear
        self._lateness = Lateness()

    def begin(self, max_age_s: float) -> None:
        """Forget what was measured; from now on, what is older than `max_age_s` is no measurement."""
        self.newest, self._max_age_s = None, max_age_s

    def look(self, wire: Wire) -> None:
        """Take what came since the last call. A late message is no measurement: the arms would be taken over where they
        were once, and jump there.
        """
        if wire.others():
            self.others_then = time.monotonic()
        try:
            message = wire.state()
        except DeviceError as error:
            self._damage = str(error)
            return
        if message is None:
            return
        late_s = self._lateness.of(message.sample_info.source_timestamp, time.monotonic_ns())
        if late_s > self._max_age_s:
            self._damage = f"{STATE}: {late_s:.2f} s late"
            return
        stamp_ns, then = time.time_ns() - round(1e9 * late_s), time.monotonic() - late_s
        self.newest, self._damage = Measurement(stamp_ns, then, message.motor_states, message.mode_machine), ""

    def fresh(self) -> bool:
        """Whether there is a measurement that is not too old."""
        newest = self.newest
        return newest is not None and time.monotonic() - newest.then <= self._max_age_s

    def why_silent(self) -> str:
        """What is wrong, where nothing fresh is heard."""
        if self._damage or self.newest is None:
            return self._damage or f"{STATE}: nothing heard"
        return f"{STATE}: nothing heard for {time.monotonic() - self.newest.then:.2f} s"
