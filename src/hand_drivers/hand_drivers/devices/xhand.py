"""RobotEra X-Hand1 through the vendor's `xhand_controller`, on RS-485 or EtherCAT.

See docs/reference/devices/xhand.md.
"""

from __future__ import annotations

import time

import numpy as np

from embodiments.registry import Embodiment
from hand_drivers.device import DeviceError, DeviceSettings, read_options
from hand_drivers.devices.xhand_link import MOTORS, VendorHand, XHandOptions
from hand_drivers.polled_device import Answer, BusDevice


def make(settings: DeviceSettings) -> BusDevice:
    """Make the device (plug-in).

    Raises:
        DeviceError: For wrong options or joints.
    """
    options, robot = read_options(XHandOptions, settings), settings.embodiment
    if sorted(robot.joints) != sorted(MOTORS):
        raise DeviceError(f"xhand: found joints {list(robot.joints)}, expected {list(MOTORS)}")
    address, name = settings.address, f"xhand {settings.address}"
    wire = lambda: XHandWire(address, settings.side, options, robot)  # noqa: E731
    return BusDevice(name, robot.joints, wire, options, line=address)


class XHandWire:
    """One connection; the vendor's units are rad, too, only the order differs."""

    def __init__(self, address: str, side: str, options: XHandOptions, robot: Embodiment) -> None:
        self._address, self._side, self._options = address, side, options
        self._lower, self._upper = robot.lower, robot.upper
        self._order = [robot.joints.index(name) for name in MOTORS]
        self._hand = VendorHand(options)

    def open(self) -> None:
        """Connect to the hand, and check its side. Sends no target."""
        self._hand.open(self._address)
        kind = self._hand.side()
        if kind and kind != self._side:
            raise DeviceError(f"found a {kind} hand, expected a {self._side} one")

    def exchange(self, target: np.ndarray | None) -> Answer:
        """Send the target, then read positions and faults."""
        refusal = None if target is None else self._hand.send(self._to_wire(target))
        began = time.monotonic()
        measured, fault = self._hand.read()
        stamp_ns, took_s = time.time_ns(), time.monotonic() - began
        if took_s > self._options.answer_s:
            raise DeviceError(f"a response took {took_s:.2f} s, expected at most {self._options.answer_s:g} s")
        position = np.empty(len(MOTORS))
        position[self._order] = measured
        return Answer(stamp_ns, position, fault=fault or refusal)

    def clear(self) -> None:
        """Do nothing: the vendor has no call for it, and faults clear when their cause is gone."""

    def close(self) -> None:
        """Close the connection; the hand holds its last target."""
        self._hand.close()

    def _to_wire(self, target: np.ndarray) -> list[float]:
        return np.clip(target, self._lower, self._upper)[self._order].tolist()
