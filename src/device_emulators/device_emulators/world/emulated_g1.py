"""The joints of a Unitree G1, of which those of the arms are a simulated world's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from device_emulators.g1 import MOTORS
from device_emulators.lag import Joints, Lag
from embodiments.registry import Embodiment
from hand_drivers.devices import g1_dds
from hand_drivers.devices.g1_arms import FIRST, ORDER


class Body:
    """All 35 as `device_emulators.lag.Joints`; `arms`: by side, in the order of their motors. The rest, which no
    station has, follows by itself.
    """

    def __init__(self, arms: Mapping[str, Joints]) -> None:
        self._arms = [(slice(FIRST[side], FIRST[side] + len(ORDER)), arm) for side, arm in arms.items()]
        self._rest = Lag(np.zeros(MOTORS))
        self.target = self.position

    @property
    def position(self) -> np.ndarray:
        """Where they are now."""
        position = self._rest.position
        for motors, arm in self._arms:
            position[motors] = arm.position
        return position

    @property
    def velocity(self) -> np.ndarray:
        """How fast they are now."""
        velocity = self._rest.velocity
        for motors, arm in self._arms:
            velocity[motors] = arm.velocity
        return velocity

    @property
    def frozen(self) -> bool:
        """Whether they stay where they are."""
        return self._rest.frozen

    @frozen.setter
    def frozen(self, frozen: bool) -> None:
        self._rest.frozen = frozen
        for _, arm in self._arms:
            arm.frozen = frozen

    def move(self, target: np.ndarray) -> None:
        """Follow another target from now on."""
        self.target = np.array(target, dtype=float)
        self._rest.move(self.target)
        for motors, arm in self._arms:
            arm.move(self.target[motors])


def motors(robot: Embodiment, order: Sequence[str]) -> tuple[list[int], np.ndarray]:
    """Places (n,) of a robot's joints in the order of its motors, and the signs (n,) that make their values motors'."""
    found = g1_dds.find_motors(robot, order)
    places = [int(place) for place in np.argsort(found.number)]
    return places, found.sign[places]
