"""PSYONIC's Ability hand on a serial line; see docs/devices/ability.md. Its wire is in `ability_wire`."""

from __future__ import annotations

import time

import numpy as np
from pydantic import Field

from hand_drivers.bus import Bus
from hand_drivers.device import DeviceError, DeviceSettings, JointSample
from hand_drivers.devices import ability_wire as wire
from hand_drivers.devices.options import Options, read_options

WIRE = ("index_q1", "middle_q1", "ring_q1", "pinky_q1", "thumb_q2", "thumb_q1")


class AbilityOptions(Options):
    """Options of an Ability hand."""

    baud: int = Field(460800, description="of the serial line; the hand's default")
    answer_s: float = Field(0.05, gt=0, le=1, description="longest time to wait for one answer, s")
    max_age_s: float = Field(0.2, gt=0, le=2, description="an older measurement is none, s")
    connect_s: float = Field(2.0, gt=0, le=30, description="longest time to wait for the first answer, s")


class AbilityDevice:
    """One hand; the wire is asked in a thread of its own, as fast as it answers."""

    def __init__(self, settings: DeviceSettings) -> None:
        self.joints = settings.embodiment.joints
        self._name = f"ability {settings.address}"
        self._options, self._address = read_options(AbilityOptions, settings), settings.address
        missing = sorted(set(WIRE) - set(self.joints))
        if missing:
            raise DeviceError(
                f"{self._name}: found joints {list(self.joints)}, expected {', '.join(missing)} among them"
            )
        self._order = [self.joints.index(name) for name in WIRE]
        self._bus: Bus | None = None
        self._port = None
        self._status = 0

    def connect(self) -> None:
        """Open the port and wait for a first answer, without motion. Raises DeviceError."""
        self.disconnect()
        self._unstuffer = wire.Unstuffer()
        self._target: np.ndarray | None = None
        self._bus = Bus(self._name, self._exchange, self._options.max_age_s)
        try:
            self._bus.start(self._options.connect_s)
        except DeviceError:
            self.disconnect()
            raise

    def read(self) -> JointSample:
        """Newest measured state; effort is 0, the hand measures currents."""
        return self._running().read()

    def write(self, position: np.ndarray) -> None:
        """Targets for the next exchange."""
        self._running().write(position)

    def stop(self) -> None:
        """Hold where the fingers are."""
        self.write(self.read().position)

    def fault(self) -> str | None:
        """The hand's status byte: it is too hot or too cold, or has run into something."""
        return f"the hand reports status {self._status:#04x} (temperature or collision)" if self._status else None

    def clear_fault(self) -> None:
        """The hand clears its status itself, once the cause is gone."""

    def disconnect(self) -> None:
        """Stop asking and close the port."""
        if self._bus is not None:
            self._bus.stop()
        if self._port is not None:
            self._port.close()
        self._bus = self._port = None

    def _running(self) -> Bus:
        if self._bus is None:
            raise DeviceError(f"{self._name}: not connected")
        return self._bus

    def _exchange(self, target: np.ndarray | None) -> JointSample:
        """In the bus's thread: the newest target, again and again: the hand ends remote control when commands stop."""
        if self._port is None:
            import serial

            self._port = serial.Serial(
                self._address, self._options.baud, timeout=0, write_timeout=self._options.answer_s
            )
        self._target = target if target is not None else self._target
        self._port.reset_input_buffer()  # an answer that came too late is not the one to this question
        self._port.write(wire.command(None if self._target is None else self._target[self._order]))
        found = self._answer(time.monotonic() + self._options.answer_s)
        stamp_ns, self._status = time.time_ns(), found.status
        position, velocity = np.empty(wire.MOTORS), np.empty(wire.MOTORS)
        position[self._order], velocity[self._order] = found.position, found.velocity
        return JointSample(stamp_ns, position, velocity, np.zeros(wire.MOTORS))

    def _answer(self, deadline: float) -> wire.Reply:
        while (left := deadline - time.monotonic()) > 0:
            self._port.timeout = left
            for body in self._unstuffer.feed(self._port.read(max(1, self._port.in_waiting))):
                found = wire.reply(body)
                if found is not None:
                    return found
        raise DeviceError(f"no answer in {self._options.answer_s:g} s")
