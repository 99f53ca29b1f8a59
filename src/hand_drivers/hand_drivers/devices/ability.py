"""PSYONIC's Ability hand on a serial line.

See docs/reference/devices/ability.md. Its frames are in `ability_frames`.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from pydantic import Field

from hand_drivers.device import DeviceError, DeviceSettings, read_options
from hand_drivers.devices import ability_frames as frames
from hand_drivers.devices.late_responses import LateResponses
from hand_drivers.polled_device import Answer, BusDevice, BusOptions

MOTORS = ("index_q1", "middle_q1", "ring_q1", "pinky_q1", "thumb_q2", "thumb_q1")  # in the hand's order


class AbilityOptions(BusOptions):
    """Options of an Ability hand."""

    baud: int = Field(
        460800, ge=9600, le=12_000_000, description="bits per second of the serial line; the hand's default"
    )


def make(settings: DeviceSettings) -> BusDevice:
    """Make the device (plug-in).

    Raises:
        DeviceError: For wrong options or joints.
    """
    options, joints = read_options(AbilityOptions, settings), settings.embodiment.joints
    missing = sorted(set(MOTORS) - set(joints))
    if missing:
        raise DeviceError(f"ability: found joints {list(joints)}, expected {', '.join(missing)} among them")
    order = [joints.index(name) for name in MOTORS]
    address, name = settings.address, f"ability {settings.address}"
    return BusDevice(name, joints, lambda: AbilityWire(address, options, order), options, line=address)


class AbilityWire:
    """One connection.

    Args:
        port: Serial port.
        options: Options of the hand.
        order: Index of the joint of each motor.
    """

    def __init__(self, port: str, options: AbilityOptions, order: list[int]) -> None:
        self._address, self._options, self._order = port, options, order
        self._port: Any = None
        self._unstuffer = frames.Unstuffer()
        self._late = LateResponses(self._bytes, options.answer_s)
        self._target: np.ndarray | None = None

    def open(self) -> None:
        """Open the port; nothing is sent."""
        import serial

        self._port = serial.Serial(self._address, self._options.baud, timeout=0, write_timeout=self._options.answer_s)

    def exchange(self, target: np.ndarray | None) -> Answer:
        """Send the newest target, repeatedly, as the hand ends remote control without commands; read the state."""
        self._target = target if target is not None else self._target
        with self._late.asking():
            self._port.reset_input_buffer()
            self._port.write(frames.command(None if self._target is None else self._target[self._order]))
            found = self._reply(time.monotonic() + self._options.answer_s)
        position, velocity = np.empty(frames.MOTORS), np.empty(frames.MOTORS)
        position[self._order], velocity[self._order] = found.position, found.velocity
        fault = f"the hand reports status {found.status:#04x} (temperature or collision)" if found.status else None
        return Answer(self._late.answered_ns, position, velocity, fault)

    def clear(self) -> None:
        """Do nothing: the hand clears its status when the cause is gone."""

    def close(self) -> None:
        """Close the port."""
        if self._port is not None:
            self._port.close()

    def _bytes(self, wait_s: float) -> bytes:
        self._port.timeout = wait_s
        return self._port.read(max(1, self._port.in_waiting))

    def _reply(self, deadline: float) -> frames.Reply:
        while (left := deadline - time.monotonic()) > 0:
            found = [reply for body in self._unstuffer.feed(self._bytes(left)) if (reply := frames.reply(body))]
            if found:
                return found[-1]
        raise DeviceError(f"no response in {self._options.answer_s:g} s")
