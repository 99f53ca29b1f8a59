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
from hand_drivers.status import State
from node_kit.testing import until

Factory = Callable[[DeviceSettings], Device]
QUICK = {"answer_s": 0.2, "max_age_s": 0.4, "connect_s": 3.0}  # options of devices on this machine


class WireBench:
    """A plug-in's device and its emulator, on a pseudo terminal or a local TCP port."""

    def __init__(
        self, factory: Factory, robot: Embodiment, protocol: Callable[[], Protocol], faults: Faults, tcp: bool = False
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


def assert_stopped_until_cleared(device: Device, robot: Embodiment, faults: Faults, code: int, reason: str) -> Driver:
    """A fault stops the driver; a reset is refused while the fault stays, and granted once it has ended."""
    driver = started(device, robot)
    faults.code = code
    assert ticked_until(driver, lambda: driver.state is State.STOPPED and driver.at_rest)
    assert driver.reason == reason and not driver.reset()[0]
    faults.code = 0
    assert until(lambda: driver.reset()[0]) and driver.state is State.HOLDING
    return driver


def assert_reconnected_after_silence(device: Device, robot: Embodiment, faults: Faults, reason: str = "") -> None:
    """A silent device is lost, with this text in the reason; once it responds it is reconnected, and needs a reset."""
    driver = started(device, robot, device_timeout_s=0.05)
    faults.silent = True
    assert ticked_until(driver, lambda: driver.state is State.LOST)
    assert reason in driver.reason
    faults.silent = False
    assert until(driver.reconnect)
    assert driver.state is State.STOPPED and driver.reset()[0]
