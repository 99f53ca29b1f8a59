"""The two topics of a Unitree G1's arms: states, and commands of waist and both arms, with checksums.

See docs/reference/devices/g1.md.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from hand_drivers.device import DeviceError
from hand_drivers.devices import g1_dds

if TYPE_CHECKING:  # at run time imported late, as it needs Unitree's library
    from hand_drivers.devices.g1_messages import LowState

STATE, COMMAND = "rt/lowstate", "rt/arm_sdk"
HELD = slice(12, 29)  # motors that the commands move: waist, left arm, right arm
TURN = 2 * math.pi  # rad, beyond the range of all these joints
WEIGHT = 29  # the motor whose position is the weight of the commands against the robot's own controller


class Wire:
    """The robot's two topics. All calls come from one thread."""

    def __init__(self, participant: Any, kp: float, kd: float) -> None:
        from hand_drivers.devices.g1_messages import MOTORS, LowCmd, LowState

        self._states = g1_dds.reader(participant, STATE, LowState)
        self._others = g1_dds.reader(participant, COMMAND, LowCmd, others_only=True)
        self._writer = g1_dds.writer(participant, COMMAND, LowCmd)
        self._command = LowCmd()
        self._command.modes = np.isin(np.arange(MOTORS), np.arange(MOTORS)[HELD])
        self._command.numbers[HELD, [LowCmd.KP, LowCmd.KD]] = kp, kd
        self._position = self._command.numbers[:, LowCmd.Q]

    def state(self) -> LowState | None:
        """The newest state since the last call, None if there is none.

        Raises:
            DeviceError: For a damaged state.
        """
        message = g1_dds.newest(self._states)
        if message is not None:
            check(message)
        return message

    def others(self) -> bool:
        """Whether another program commanded the arms since the last call."""
        return g1_dds.newest(self._others) is not None

    def send(self, targets: np.ndarray, weight: float, mode_machine: int) -> None:
        """Send a command.

        Args:
            targets: Positions (35,), rad.
            weight: 0 to 1.
            mode_machine: Type of the robot.
        """
        self._position[HELD] = targets[HELD]
        self._position[WEIGHT] = weight
        self._command.mode_machine = mode_machine
        self._command.seal()
        self._writer.write(self._command)


def check(state: LowState) -> None:
    """Check a state.

    Raises:
        DeviceError: For a damaged or impossible state.
    """
    if state.crc and state.crc != state.checksum():
        raise DeviceError(f"{STATE}: wrong checksum")
    held = state.motor_states.moves[HELD]
    if not np.isfinite(held).all():
        raise DeviceError(f"{STATE}: positions, velocities or efforts that are not finite")
    furthest = max(held[:, 0], key=abs)
    if abs(furthest) > TURN:
        raise DeviceError(f"{STATE}: found position {furthest:g}, expected at most one turn")
