"""The simulated arm, hand or gripper as a `hand_drivers` device plug-in: it talks to the world over its wire."""

from __future__ import annotations

import numpy as np

from hand_drivers.device import DeviceError, DeviceSettings, JointSample
from simulation.wire import Client, Op, WireError


class SimulatedDevice:
    """A position-controlled device of the simulated world; joints in the embodiment's canonical order."""

    def __init__(self, settings: DeviceSettings) -> None:
        self.joints = settings.embodiment.joints
        self._address = settings.address
        self._part = f"{settings.side}/{settings.part}"
        self._client: Client | None = None

    def connect(self) -> None:
        """Open the wire and agree on the joints; raises DeviceError naming the address or the joint."""
        self.disconnect()
        try:
            self._client = Client(self._address)
            self._client.ask(Op.HELLO, self._part, text=",".join(self.joints))
        except WireError as error:
            self.disconnect()
            raise DeviceError(f"{self._part}: {error}") from error

    def read(self) -> JointSample:
        """Newest measured state: position rad or m, velocity, effort Nm or N, each (n,); raises DeviceError."""
        stamp_ns, values = self._ask(Op.READ)
        if values.size != 3 * len(self.joints):
            raise DeviceError(f"{self._part}: {values.size} values, expected {3 * len(self.joints)}")
        position, velocity, effort = values.reshape(3, -1)
        return JointSample(stamp_ns, position, velocity, effort)

    def write(self, position: np.ndarray) -> None:
        """Set position targets (n,). Raises DeviceError; for what the world does not take, at the next reading."""
        try:
            self._connected().tell(Op.WRITE, self._part, position)
        except WireError as error:
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
        """Close the wire; the world keeps holding the last target."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _ask(self, op: Op) -> tuple[int, np.ndarray]:
        try:
            return self._connected().ask(op, self._part)
        except WireError as error:
            raise DeviceError(f"{self._part}: {error}") from error

    def _connected(self) -> Client:
        if self._client is None:
            raise DeviceError(f"{self._part}: not connected")
        return self._client
