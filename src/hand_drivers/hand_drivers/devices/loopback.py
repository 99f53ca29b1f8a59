"""A device without hardware: joints follow their targets with a first-order lag. For dry runs and tests."""

from __future__ import annotations

import time

import numpy as np
from pydantic import Field

from hand_drivers.device import DeviceError, DeviceSettings, FaultlessDevice, JointSample, Options, read_options


class LoopbackOptions(Options):
    """Options of the loopback device."""

    time_constant_s: float = Field(default=0.03, gt=0, le=10, description="time constant of the joints, s")
    initial: list[float] | None = Field(
        default=None, description="initial joint positions, rad or m; none: the first posture"
    )


class LoopbackDevice(FaultlessDevice):
    """First-order joints in memory; samples are stamped with the system time of the reading."""

    def __init__(self, settings: DeviceSettings) -> None:
        self.joints = settings.embodiment.joints
        self._options = read_options(LoopbackOptions, settings)
        self._position = _initial(self._options, settings)
        self._target = self._position.copy()
        self._velocity = np.zeros_like(self._position)
        self._then = time.monotonic()
        self._connected = False

    def connect(self) -> None:
        """Connect; the joints are at rest."""
        self._connected, self._then = True, time.monotonic()

    def read(self) -> JointSample:
        """Present joint state; effort is zero.

        Raises:
            DeviceError: If not connected.
        """
        self._advance()
        return JointSample(time.time_ns(), self._position.copy(), self._velocity.copy(), np.zeros_like(self._position))

    def write(self, position: np.ndarray) -> None:
        """Set the targets (n,).

        Raises:
            DeviceError: If not connected.
        """
        self._advance()
        self._target = np.array(position, float)

    def disconnect(self) -> None:
        """Disconnect; the joints stop."""
        self._connected = False

    def _advance(self) -> None:
        if not self._connected:
            raise DeviceError("loopback: not connected")
        now = time.monotonic()
        share = 1.0 - np.exp(-(now - self._then) / self._options.time_constant_s)
        self._velocity = (self._target - self._position) * ((1.0 - share) / self._options.time_constant_s)
        self._position += (self._target - self._position) * share
        self._then = now


def _initial(options: LoopbackOptions, settings: DeviceSettings) -> np.ndarray:
    robot = settings.embodiment
    if options.initial is None:
        return np.array(next(iter(robot.postures.values()), np.clip(0.0, robot.lower, robot.upper)), float)
    if len(options.initial) != len(robot.joints):
        found, count = len(options.initial), len(robot.joints)
        raise DeviceError(f"loopback: option 'initial': found {found} values, expected {count}")
    return np.array(options.initial, float)
