"""An emulated Unitree Dex3-1 on its two DDS topics."""

from __future__ import annotations

import struct
import time
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from device_emulators.faults import Faults
from device_emulators.lag import Joints
from device_emulators.serve import Outbox
from hand_drivers.devices import g1_dds
from hand_drivers.devices.dex3 import ENABLED, TIMED_OUT

FINGERS = 7
EXPONENT_BIT = 1 << 30  # the highest exponent bit of a 32-bit float


class Dex3Emulator:
    """A Dex3-1 hand.

    Supported faults: silent, late_s, corrupt, frozen, code and timed_out. Messages have no checksum: `corrupt` changes
    the positions. `modes` are those of the motors in the last command, `commands` the number of commands.

    Args:
        participant: The DDS participant.
        side: "left" or "right".
        faults: Faults of the hand.
        fingers: Joints (7,) in the order of the motors.
    """

    def __init__(self, participant: Any, side: str, faults: Faults, fingers: Joints) -> None:
        from unitree_sdk2py.idl import default
        from unitree_sdk2py.idl.unitree_hg.msg.dds_ import HandCmd_, HandState_

        self.faults, self.fingers = faults, fingers
        self.modes: list[int] = []
        self.commands = 0
        self.state, self._late = default.unitree_hg_msg_dds__HandState_(), Outbox()
        self._writer = g1_dds.writer(participant, f"rt/dex3/{side}/state", HandState_)
        self._reader = g1_dds.reader(participant, f"rt/dex3/{side}/cmd", HandCmd_)

    def step(self) -> None:
        """Take the newest command and publish the state."""
        command = g1_dds.newest(self._reader)
        if command is not None:
            self._follow(command)
        if not self.faults.silent:
            self._measure()

    def _follow(self, command: Any) -> None:
        self.commands += 1
        self.modes = [motor.mode for motor in command.motor_cmd]
        target = self.fingers.target.copy()
        for number, motor in enumerate(command.motor_cmd):
            if motor.mode == ENABLED | number and motor.kp > 0:
                target[number] = motor.q
        self.fingers.move(target)

    def _measure(self) -> None:
        """Publish the present state, after the transport delay."""
        self.fingers.frozen = self.faults.frozen or self.faults.timed_out
        measured = Measured(time.time_ns(), self.fingers.position, self.fingers.velocity, self.faults.code)
        self._late.put(self.faults.delay_s(), partial(self._publish, measured))
        self._late.flush()

    def _publish(self, measured: Measured) -> None:
        measured.describe(self.state.motor_state)
        for number, motor in enumerate(self.state.motor_state):
            motor.mode = number | (TIMED_OUT if self.faults.timed_out else 0)
            motor.q = flipped(motor.q) if self.faults.corrupt else motor.q
        self._writer.write(self.state, measured.stamp_ns)


@dataclass(frozen=True)
class Measured:
    """State of n joints.

    Attributes:
        stamp_ns: Time of the measurement, system time, ns.
        position: (n,), rad.
        velocity: (n,), rad/s.
        code: Error bits of all motors.
    """

    stamp_ns: int
    position: np.ndarray
    velocity: np.ndarray
    code: int

    def describe(self, states: Any) -> None:
        """Write the values into the n motor states of a message."""
        for motor, position, velocity in zip(states, self.position, self.velocity, strict=True):
            motor.q, motor.dq, motor.motorstate = float(position), float(velocity), self.code
            motor.temperature = [35, 45]


def flipped(value: float) -> float:
    """A 32-bit float with its highest exponent bit flipped: one of 0 < |value| < 2 becomes larger than 1e38 * value."""
    (bits,) = struct.unpack("<I", struct.pack("<f", value))
    return struct.unpack("<f", struct.pack("<I", bits ^ EXPONENT_BIT))[0]
