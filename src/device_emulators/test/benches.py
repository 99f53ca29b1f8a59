"""Common parts of the tests of hands: a device, the emulator on its wire, and a driver."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

import numpy as np
import pytest
from stepping import stepped

from device_emulators.faults import Faults
from device_emulators.serve import Protocol, PtyServer, TcpServer
from embodiments.registry import Embodiment
from hand_drivers.device import Device, DeviceError, DeviceSettings
from hand_drivers.driver import Driver
from hand_drivers.polled_device import Wire
from hand_drivers.settings import motion_limits
from hand_drivers.status import State
from node_kit.testing import until

Factory = Callable[[DeviceSettings], Device]
AT_ONCE_S = 1e-9  # time constant of joints that move at once
PATIENT = {"answer_s": 0.3, "max_age_s": 2.0}
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

    def wire(self) -> Wire:
        """A wire of its own to the device, without a thread."""
        return self.make(**PATIENT)._make_wire()

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


def assert_refused_by_its_other_name(bench: WireBench, factory: Factory, robot: Embodiment) -> None:
    """A second driver of a device at 127.0.0.1 is refused that names the host."""
    bench.device.connect()
    address = bench.address.replace("127.0.0.1", "localhost")
    with pytest.raises(DeviceError, match=f"{bench.address}: in use by process"):
        factory(DeviceSettings(robot, "left", "hand", address, QUICK)).connect()
    assert bench.device.read()


def assert_one_late_response_loses_nothing(device: Device, robot: Embodiment, faults: Faults, late_s: float) -> None:
    """A driver goes on with measurements after one response came late."""
    driver = started(device, robot, device_timeout_s=1.0)
    began = device.read().stamp_ns
    faults.late_once_s = late_s
    assert ticked_until(driver, lambda: driver.sample.stamp_ns > began + 2e9 * late_s)
    assert faults.late_once_s == 0.0 and driver.counts.lost == 0 and driver.state is State.HOLDING
    driver.end()


def assert_each_response_is_matched(
    wire: Wire, faults: Faults, targets: tuple[np.ndarray, np.ndarray], before: bool = False
) -> None:
    """After one response came too late, each request again has its own response.

    Args:
        wire: A wire that is not open; its responses may take .3 s, and its joints move at once.
        faults: The faults of its device.
        targets: Two targets (n,).
        before: Whether a response has the position before its target.
    """
    wire.open()
    wire.exchange(None)
    faults.late_once_s = 0.45
    with contextlib.suppress(Exception):  # of any vendor's library
        wire.exchange(targets[0])
    last = targets[0]
    for target in (targets[1], *targets, *targets):
        found = wire.exchange(target).position
        assert found == pytest.approx(last if before else target, abs=1e-2)
        last = target
    wire.close()
