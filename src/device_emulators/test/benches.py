"""Common parts of the tests of hands: a device, the emulator on its wire, and a driver."""

from __future__ import annotations

import time
from collections.abc import Callable

from stepping import stepped

from device_emulators.faults import Faults
from device_emulators.serve import Protocol, PtyServer, TcpServer
from embodiments.registry import Embodiment
from hand_drivers.device import Device, DeviceSettings
from hand_drivers.driver import Driver
from hand_drivers.settings import motion_limits
from node_kit.testing import until

Factory = Callable[[DeviceSettings], Device]
QUICK = {"answer_s": 0.2, "max_age_s": 0.4, "connect_s": 3.0}  # options of devices on this machine


class WireBench:
    """A plug-in's device and its emulator, on a pseudo terminal or a local TCP port."""

    def __init__(
        self, factory: Factory, robot: Embodiment, protocol: Callable[[], Protocol], faults: Faults, tcp: bool
    ) -> None:
        self._factory, self._robot, self.faults = factory, robot, faults
        self.server = TcpServer(protocol, faults) if tcp else PtyServer(protocol(), faults)
        self.address = f"127.0.0.1:{self.server.port}" if tcp else self.server.port
        self.device = self.make()

    def make(self, **options: float) -> Device:
        """Another device on the same wire."""
        return self._factory(DeviceSettings(self._robot, "left", "hand", self.address, QUICK | options))

    def close(self) -> None:
        self.device.disconnect()
        self.server.close()


def started(device: Device, robot: Embodiment, **settings: float) -> Driver:
    """A driver that has taken the device over."""
    driver = Driver(device, motion_limits(robot), stepped(**settings))
    driver.start()
    return driver


def ticked_until(driver: Driver, condition: Callable[[], object]) -> bool:
    """Whether the condition holds in time while the driver is ticked."""
    return until(lambda: driver.tick(time.monotonic_ns()) or bool(condition()))
