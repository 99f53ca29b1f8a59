"""Inspire RH56 hands: RH56DFX on a serial line (`/dev/ttyUSB0`), RH56DFTP over Modbus TCP (`192.168.11.210:6000`).

Both use six numbers of 0 (closed) to 1000 (open), little finger first; see docs/reference/devices/inspire.md.
"""

from __future__ import annotations

import numpy as np

from embodiments.registry import Embodiment
from hand_drivers.device import DeviceError, DeviceSettings, patiently, read_options
from hand_drivers.devices.inspire_links import MODBUS_PORT, InspireOptions, Link, open_link
from hand_drivers.polled_device import Answer, BusDevice

FINGERS = ("pinky", "ring", "middle", "index", "thumb_proximal_pitch", "thumb_proximal_yaw")  # parts of the joint names
OPEN = 1000
ERRORS_EVERY = 10  # exchanges between two readings of the error register
ERROR_BITS = ("stall", "over-temperature", "overcurrent", "motor", "communication")


def make(settings: DeviceSettings) -> BusDevice:
    """Make the device (plug-in).

    Raises:
        DeviceError: For wrong options or joints.
    """
    options, robot = read_options(InspireOptions, settings), settings.embodiment
    order = motor_places(robot.joints)
    return BusDevice(
        f"inspire {settings.address}",
        robot.joints,
        lambda: InspireWire(settings.address, options, robot, order),
        options,
        line=settings.address,
        port=MODBUS_PORT,
    )


class InspireWire:
    """One connection.

    Args:
        address: Serial port, or HOST[:PORT].
        options: Options of the hand.
        robot: The hand's embodiment.
        order: Index of the joint of each motor.
    """

    def __init__(self, address: str, options: InspireOptions, robot: Embodiment, order: list[int]) -> None:
        self._address, self._options, self._order = address, options, order
        self._lower, self._upper = robot.lower, robot.upper
        self._link: Link | None = None
        self._exchanges = 0
        self._fault: str | None = None

    def open(self) -> None:
        """Connect, and set speed and force."""
        link = patiently(lambda: open_link(self._address, self._options))  # the serial library reads the angles
        self._link = link  # before `set_up`: it is closed if that fails
        patiently(link.set_up)

    def exchange(self, target: np.ndarray | None) -> Answer:
        """Send the target and read the angles and, every ERRORS_EVERY exchanges, the error register."""
        link = self._connected()
        if target is not None:
            link.send(self._to_wire(target))
        angles = np.array(link.angles(), dtype=float)
        stamp_ns = link.answered_ns
        if self._exchanges % ERRORS_EVERY == 0:
            self._fault = in_words(link.errors())
        self._exchanges += 1
        return Answer(stamp_ns, self._from_wire(angles), fault=self._fault)

    def clear(self) -> None:
        """Clear the error register, and read it in the next exchange."""
        self._connected().clear()
        self._exchanges = 0

    def close(self) -> None:
        """Close the connection."""
        if self._link is not None:
            self._link.close()

    def _connected(self) -> Link:
        if self._link is None:
            raise DeviceError("not connected")
        return self._link

    def _to_wire(self, position: np.ndarray) -> list[int]:
        share = (self._upper - position) / (self._upper - self._lower)
        return [round(OPEN * value) for value in np.clip(share, 0, 1)[self._order].tolist()]

    def _from_wire(self, angles: np.ndarray) -> np.ndarray:
        if angles.shape != (len(FINGERS),) or angles.min() < 0 or angles.max() > OPEN:
            raise DeviceError(f"found angles {angles.tolist()}, expected six of 0 to {OPEN}")
        closed = np.empty(len(FINGERS))
        closed[self._order] = 1 - angles / OPEN
        return self._lower + closed * (self._upper - self._lower)


def in_words(errors: list[int]) -> str | None:
    """A text for the error register, one byte per finger; None if it is clear."""
    found = [
        f"{begin}: {', '.join(name for bit, name in enumerate(ERROR_BITS) if code >> bit & 1) or f'error {code}'}"
        for begin, code in zip(FINGERS, errors, strict=True)
        if code
    ]
    return "; ".join(found) or None


def motor_places(joints: tuple[str, ...]) -> list[int]:
    """Index of the joint of each motor, in the hand's order.

    Raises:
        DeviceError: Unless there is one joint for each motor.
    """
    return [_place(joints, begin) for begin in FINGERS]


def _place(joints: tuple[str, ...], begin: str) -> int:
    found = [index for index, joint in enumerate(joints) if begin in joint]
    if len(found) != 1:
        raise DeviceError(f"inspire: found joints {list(joints)}, expected one whose name has '{begin}'")
    return found[0]
