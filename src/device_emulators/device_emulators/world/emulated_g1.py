"""The joints of a Unitree G1 whose arms are those of a simulated world."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from device_emulators.g1 import MOTORS
from device_emulators.lag import Joints, Lag
from embodiments.registry import Embodiment
from hand_drivers.devices import g1_dds
from hand_drivers.devices.g1_arms import FIRST, ORDER


class Body:
    """All 35 joints (`device_emulators.lag.Joints`); those that no station has follow their targets ideally.

    Args:
        arms: The joints of each arm by side, in the order of its motors.
    """

    def __init__(self, arms: Mapping[str, Joints]) -> None:
        self._arms = [(slice(FIRST[side], FIRST[side] + len(ORDER)), arm) for side, arm in arms.items()]
        self._rest = Lag(np.zeros(MOTORS))
        self.target = self.position

    @property
    def position(self) -> np.ndarray:
        """Present positions (35,), rad."""
        position = self._rest.position
        for motors, arm in self._arms:
            position[motors] = arm.position
        return position

    @property
    def velocity(self) -> np.ndarray:
        """Present velocities (35,), rad/s."""
        velocity = self._rest.velocity
        for motors, arm in self._arms:
            velocity[motors] = arm.velocity
        return velocity

    @property
    def frozen(self) -> bool:
        """Whether the joints are kept from moving."""
        return self._rest.frozen

    @frozen.setter
    def frozen(self, frozen: bool) -> None:
        self._rest.frozen = frozen
        for _, arm in self._arms:
            arm.frozen = frozen

    def move(self, target: np.ndarray) -> None:
        """Set the target (35,), rad."""
        self.target = np.array(target, dtype=float)
        self._rest.move(self.target)
        for motors, arm in self._arms:
            arm.move(self.target[motors])


def motors(robot: Embodiment, order: Sequence[str]) -> tuple[list[int], np.ndarray]:
    """Indices (n,) of a robot's joints in the order of its motors, and the signs (n,) from joint to motor values."""
    found = g1_dds.find_motors(robot, order)
    places = [int(place) for place in np.argsort(found.number)]
    return places, found.sign[places]
