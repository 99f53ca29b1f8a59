"""The simulated arm, hand or gripper as a `hand_drivers` device plug-in: it reads and writes the world's board."""

from __future__ import annotations

import numpy as np

from hand_drivers.device import DeviceError, DeviceSettings, JointSample
from simulation.shared_world import View, WorldError


class SimulatedDevice:
    """A position-controlled device of the simulated world; joints in the embodiment's canonical order."""

    def __init__(self, settings: DeviceSettings) -> None:
        self.joints = settings.embodiment.joints
        self._port = _port(settings.address)
        self._part = f"{settings.side}/{settings.part}"
        self._view: View | None = None

    def connect(self) -> None:
        """Look for the world and agree on the joints; raises DeviceError naming its port or the joint."""
        self.disconnect()
        try:
            view = View(self._port)
            view.expect(self._part, self.joints)
        except WorldError as error:
            raise DeviceError(f"{self._part}: {error}") from error
        self._view = view

    def read(self) -> JointSample:
        """Newest state: position rad or m, velocity, effort Nm or N, each (n,); raises DeviceError."""
        try:
            stamp_ns, (position, velocity, effort, _) = self._connected().read(self._part)
        except WorldError as error:
            raise DeviceError(f"{self._part}: {error}") from error
        return JointSample(stamp_ns, position, velocity, effort)

    def write(self, position: np.ndarray) -> None:
        """Set position targets (n,). Raises DeviceError."""
        try:
            self._connected().tell(self._part, position)
        except WorldError as error:
            raise DeviceError(f"{self._part}: {error}") from error

    def stop(self) -> None:
        """Hold where the device is now."""
        self.write(self.read().position)

    def fault(self) -> str | None:
        """A simulated device has no faults of its own."""
        return None

    def clear_fault(self) -> None:
        """Nothing to clear."""

    def disconnect(self) -> None:
        """Look away; the world keeps holding the last target."""
        self._view = None

    def _connected(self) -> View:
        if self._view is None:
            raise DeviceError(f"{self._part}: not connected")
        return self._view


def _port(address: str) -> int:
    scheme, _, port = address.partition(":")
    if scheme != "shm" or not (port.isascii() and port.isdigit()):
        raise DeviceError(f"address: found {address!r}, expected shm: and the port of a simulated world")
    return int(port)
