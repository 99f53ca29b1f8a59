"""What is said on the wire of a Unitree G1's arms: states in, commands of waist and both arms out, with checksums.

Messages and checksums are those of Unitree's library; see docs/devices/g1.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from hand_drivers.device import DeviceError
from hand_drivers.devices import g1_dds

STATE, COMMAND = "rt/lowstate", "rt/arm_sdk"
MOTORS = 35
HELD = range(12, 29)  # waist, left arm, right arm: what the weight hands over to us
TURN = 2 * math.pi  # rad; no joint that is held goes as far
WEIGHT = 29  # the motor whose position is our share in what the robot does with those


class Wire:
    """The robot's two topics. All calls come from one thread."""

    def __init__(self, participant: Any, kp: float, kd: float) -> None:
        from unitree_sdk2py.idl.unitree_hg.msg.dds_ import LowCmd_, LowState_, MotorCmd_
        from unitree_sdk2py.utils.crc import CRC

        self._crc = CRC()
        self._states = g1_dds.reader(participant, STATE, LowState_)
        self._others = g1_dds.reader(participant, COMMAND, LowCmd_, others_only=True)
        self._writer = g1_dds.writer(participant, COMMAND, LowCmd_)
        held, free = (1, 0.0, 0.0, 0.0, kp, kd, 0), (0, 0.0, 0.0, 0.0, 0.0, 0.0, 0)
        motors = [MotorCmd_(*(held if number in HELD else free)) for number in range(MOTORS)]
        self._command = LowCmd_(0, 0, motors, [0] * 4, 0)

    def state(self) -> Any:
        """The newest state since the last call, None when there is none. Raises DeviceError for a damaged one."""
        message = g1_dds.newest(self._states)
        if message is not None:
            check(message, self._crc.Crc)
        return message

    def others(self) -> bool:
        """Whether somebody else commanded the arms since the last call."""
        return g1_dds.newest(self._others) is not None

    def send(self, told: np.ndarray, weight: float, mode_machine: int) -> None:
        """Positions (35,) in rad and the weight, 0 to 1."""
        command = self._command
        for number in HELD:
            command.motor_cmd[number].q = float(told[number])
        command.motor_cmd[WEIGHT].q = weight
        command.mode_machine = mode_machine
        command.crc = self._crc.Crc(command)
        self._writer.write(command)


def check(state: Any, checksum: Callable[[Any], int]) -> None:
    """Raises DeviceError for a state that is damaged, or that no arm can be in."""
    if state.crc and state.crc != checksum(state):
        raise DeviceError(f"{STATE}: wrong checksum")
    held = [state.motor_state[number] for number in HELD]
    if not all(math.isfinite(value) for motor in held for value in (motor.q, motor.dq, motor.tau_est)):
        raise DeviceError(f"{STATE}: positions, velocities or efforts that are not finite")
    furthest = max(held, key=lambda motor: abs(motor.q)).q
    if abs(furthest) > TURN:
        raise DeviceError(f"{STATE}: found position {furthest:g}, expected at most one turn")
