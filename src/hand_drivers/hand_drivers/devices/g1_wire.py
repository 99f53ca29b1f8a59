"""What is said on the wire of a Unitree G1's arms: states in, commands of waist and both arms out, with checksums.

Messages and checksums are those of Unitree's library; see docs/devices/g1.md.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from hand_drivers.device import DeviceError
from hand_drivers.devices import g1_dds

STATE, COMMAND = "rt/lowstate", "rt/arm_sdk"
MOTORS = 35
HELD = range(12, 29)  # waist, left arm, right arm: what the weight hands over to us
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
        if message is None:
            return None
        if message.crc and message.crc != self._crc.Crc(message):
            raise DeviceError(f"{STATE}: wrong checksum")
        if not all(math.isfinite(message.motor_state[number].q) for number in HELD):
            raise DeviceError(f"{STATE}: positions that are not finite")
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
