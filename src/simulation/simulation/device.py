"""The simulated arm, hand or gripper as a `hand_drivers` device plug-in, on the shared-memory world."""

from __future__ import annotations

import numpy as np

from hand_drivers.device import DeviceError, DeviceSettings, FaultlessDevice, JointSample
from hand_drivers.ownership import Ownership
from simulation.shared_world import SharedWorldReader, WorldError


class SimulatedDevice(FaultlessDevice):
    """A position-controlled device of the simulated world; joints in the embodiment's canonical order."""

    def __init__(self, settings: DeviceSettings) -> None:
        self.joints = settings.embodiment.joints
        self._port = _port(settings.address)
        self._part = f"{settings.side}/{settings.part}"
        self._ownership = Ownership(f"{settings.address} {self._part}")
        self._world: SharedWorldReader | None = None

    def connect(self) -> None:
        """Open the world and check the joints.

        Raises:
            DeviceError: If no world runs, its joints are others, or another driver has the device.
        """
        self.disconnect()
        self._ownership.take()
        try:
            world = SharedWorldReader(self._port)
            world.expect(self._part, self.joints)
        except WorldError as error:
            self._ownership.release()
            raise DeviceError(f"{self._part}: {error}") from error
        self._world = world

    def read(self) -> JointSample:
        """Newest state: position rad or m, velocity, effort Nm or N, each (n,).

        Raises:
            DeviceError: If the world is stale.
        """
        try:
            stamp_ns, (position, velocity, effort, _) = self._connected().read(self._part)
        except WorldError as error:
            raise DeviceError(f"{self._part}: {error}") from error
        return JointSample(stamp_ns, position, velocity, effort)

    def write(self, position: np.ndarray) -> None:
        """Set position targets (n,).

        Raises:
            DeviceError: If the world is stale, or a target is not finite.
        """
        try:
            self._connected().write_target(self._part, position)
        except WorldError as error:
            raise DeviceError(f"{self._part}: {error}") from error

    def disconnect(self) -> None:
        """Release the world, which holds the last target."""
        self._world = None
        self._ownership.release()

    def _connected(self) -> SharedWorldReader:
        if self._world is None:
            raise DeviceError(f"{self._part}: not connected")
        return self._world


def _port(address: str) -> int:
    scheme, _, port = address.partition(":")
    if scheme != "shm" or not (port.isascii() and port.isdigit()):
        raise DeviceError(f"address: found {address!r}, expected shm: and the port of a simulated world")
    return int(port)
