"""A part of the simulated world as the joints of an emulated device."""

from __future__ import annotations

import threading

import numpy as np

from device_emulators.lag import JointsError
from embodiments.registry import Embodiment
from simulation.shared_world import SharedWorldReader, WorldError


class WorldJoints:
    """Joints (`device_emulators.lag.Joints`) with device value = scale * (joint - zero).

    Args:
        port: Port of the world.
        part: Part of the world, such as "left/hand".
        robot: Embodiment of the part.
        order: Index (n,) of the embodiment's joint for each of the device's; the embodiment's order by default.
        zero: Joint value (n,) or number at device value 0, in the device's order.
        scale: Device units per joint unit, (n,) or number, in the device's order.

    Raises:
        JointsError: If the world does not respond or has another robot.
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
        self._writing = threading.Lock()
        self._frozen: np.ndarray | None = None
        try:
            self._view = SharedWorldReader(port)
            self._view.expect(part, robot.joints)
        except WorldError as error:
            raise JointsError(str(error)) from error
        self.target = self.position

    @property
    def position(self) -> np.ndarray:
        """Present positions (n,), device units."""
        return (self._read()[0] - self._zero) * self._scale if self._frozen is None else self._frozen.copy()

    @property
    def velocity(self) -> np.ndarray:
        """Present velocities (n,), device units per second."""
        return self._read()[1] * self._scale if self._frozen is None else np.zeros_like(self._frozen)

    @property
    def frozen(self) -> bool:
        """Whether the joints are kept from moving."""
        return self._frozen is not None

    @frozen.setter
    def frozen(self, frozen: bool) -> None:
        if frozen and self._frozen is None:
            here = self.position
            self._write(here)
            self._frozen = here
        elif not frozen:
            self._frozen = None

    def move(self, target: np.ndarray) -> None:
        """Set the target (n,), device units."""
        self.target = np.array(target, dtype=float)
        if self._frozen is None:
            self._write(self.target)

    def _read(self) -> np.ndarray:
        """Position, velocity, effort and target (4, n) of the embodiment's joints, in the device's order."""
        try:
            return self._view.read(self._part)[1][:, self._order]
        except WorldError as error:
            raise JointsError(str(error)) from error

    def _write(self, values: np.ndarray) -> None:
        joints = np.empty(len(self._order))
        joints[self._order] = values / self._scale + self._zero
        try:
            with self._writing:  # a device has several threads, but a part of the world may have one writer only
                self._view.write_target(self._part, joints)
        except WorldError as error:
            raise JointsError(str(error)) from error
