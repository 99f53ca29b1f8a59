"""A part of the simulated world as what moves behind an emulated wire."""

from __future__ import annotations

import threading

import numpy as np

from device_emulators.lag import JointsError
from embodiments.registry import Embodiment
from simulation.shared_world import View, WorldError


class WorldJoints:
    """As `device_emulators.lag.Joints`: device value = scale * (joint - zero), in `order`.

    order (n,) are places among the embodiment's joints; zero and scale are (n,) or numbers, in the device's order.
    """

    def __init__(
        self,
        port: int,
        part: str,
        robot: Embodiment,
        order: list[int] | None = None,
        zero: np.ndarray | float = 0.0,
        scale: np.ndarray | float = 1.0,
    ) -> None:
        self._order = list(range(len(robot.joints))) if order is None else order
        self._part, self._zero, self._scale = part, zero, scale
        self._telling = threading.Lock()
        self._frozen: np.ndarray | None = None
        try:
            self._view = View(port)
            self._view.expect(part, robot.joints)
        except WorldError as error:
            raise JointsError(str(error)) from error
        self.target = self.position

    @property
    def position(self) -> np.ndarray:
        """Where they are now."""
        return (self._read()[0] - self._zero) * self._scale if self._frozen is None else self._frozen.copy()

    @property
    def velocity(self) -> np.ndarray:
        """How fast they are now."""
        return self._read()[1] * self._scale if self._frozen is None else np.zeros_like(self._frozen)

    @property
    def frozen(self) -> bool:
        """Whether they stay where they are."""
        return self._frozen is not None

    @frozen.setter
    def frozen(self, frozen: bool) -> None:
        if frozen and self._frozen is None:
            here = self.position
            self._tell(here)
            self._frozen = here
        elif not frozen:
            self._frozen = None

    def move(self, target: np.ndarray) -> None:
        """Follow another target from now on."""
        self.target = np.array(target, dtype=float)
        if self._frozen is None:
            self._tell(self.target)

    def _read(self) -> np.ndarray:
        """Position, velocity, effort and target (4, n) of the embodiment's joints, in the device's order."""
        try:
            return self._view.read(self._part)[1][:, self._order]
        except WorldError as error:
            raise JointsError(str(error)) from error

    def _tell(self, values: np.ndarray) -> None:
        joints = np.empty(len(self._order))
        joints[self._order] = values / self._scale + self._zero
        try:
            with self._telling:  # a device has several threads, the board one writer for each part
                self._view.tell(self._part, joints)
        except WorldError as error:
            raise JointsError(str(error)) from error
