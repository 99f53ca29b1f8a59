"""An arm of a Unitree G1 over DDS, through the topic `rt/arm_sdk` that both arms share.

See docs/reference/devices/g1.md.
"""

from __future__ import annotations

import numpy as np

from hand_drivers.device import DeviceError, DeviceSettings, JointSample, read_options
from hand_drivers.devices import g1_dds
from hand_drivers.devices.g1_robot import G1Options, Measurement, Robot, robot_at
from hand_drivers.devices.g1_wire import COMMAND
from hand_drivers.ownership import Ownership

FIRST = {"left": 15, "right": 22}  # motors of a side
ORDER = ("shoulder_pitch", "shoulder_roll", "shoulder_yaw", "elbow", "wrist_roll", "wrist_pitch", "wrist_yaw")


class G1Arm:
    """One arm. Both arms of a robot have to be in one process, because one message commands both."""

    def __init__(self, settings: DeviceSettings) -> None:
        self.joints = settings.embodiment.joints
        self._side, self._interface = settings.side, settings.address
        self._name = f"g1_arms {settings.address} {settings.side}"
        self._options = read_options(G1Options, settings)
        try:
            self._motors = g1_dds.find_motors(settings.embodiment, ORDER, FIRST[settings.side])
        except DeviceError as error:
            raise DeviceError(f"g1_arms: {error}") from None
        self._ownership = Ownership(f"{self._name}, DDS domain {self._options.domain}")
        self._robot: Robot | None = None

    def connect(self) -> None:
        """Take over both arms at their measured positions.

        Raises:
            DeviceError: If that fails, or another driver has the arm.
        """
        self.disconnect()
        self._ownership.take()
        robot = robot_at(self._interface, self._options)
        try:
            robot.enter(self._side, self._options)
        except DeviceError as error:
            self._ownership.release()
            raise DeviceError(f"{self._name}: {error}") from error
        self._robot = robot

    def read(self) -> JointSample:
        """Newest position, velocity and effort (Nm), stamped with the time of the measurement.

        Raises:
            DeviceError: If they are too old.
        """
        newest = self._newest()
        return JointSample(newest.stamp_ns, *self._motors.state(newest.motors))

    def write(self, position: np.ndarray) -> None:
        """Set the targets for the next message.

        Raises:
            DeviceError: For targets that are not finite, or a lost robot.
        """
        if np.shape(position) != (len(self.joints),) or not np.isfinite(position).all():
            found = np.asarray(position).tolist()
            raise DeviceError(f"{self._name}: found targets {found}, expected {len(self.joints)} finite numbers")
        try:
            self._running().set_targets(self._motors.number, self._motors.sign * position)
        except DeviceError as error:
            raise DeviceError(f"{self._name}: {error}") from error

    def stop(self) -> None:
        """Hold at the last target, or near the measured position if the arm is kept from reaching it.

        Raises:
            DeviceError: For a lost robot.
        """
        try:
            self._running().hold(self._motors.number)
        except DeviceError as error:
            raise DeviceError(f"{self._name}: {error}") from error

    def fault(self) -> str | None:
        """Another program that commands the arms, or the faults of this arm's motors."""
        if self._robot is None:
            return None
        if self._robot.others():
            return f"another program sends {COMMAND}"
        return self._motors.fault(self._newest().motors)

    def clear_fault(self) -> None:
        """Do nothing: faults cannot be cleared over DDS; some clear when their cause is gone."""

    def disconnect(self) -> None:
        """Release this arm. After the last one, both are handed back, which continues after the return."""
        if self._robot is not None:
            self._robot.leave(self._side)
            self._robot = None
        self._ownership.release()

    def _newest(self) -> Measurement:
        try:
            return self._running().newest()
        except DeviceError as error:
            raise DeviceError(f"{self._name}: {error}") from error

    def _running(self) -> Robot:
        if self._robot is None:
            raise DeviceError("not connected")
        return self._robot
