"""Inspire RH56 hands: RH56DFX on a serial line (`/dev/ttyUSB0`), RH56DFTP over Modbus TCP (`192.168.11.210:6000`).

Both take and give six numbers of 0 (closed) to 1000 (open), little finger first; see docs/devices/inspire.md.
"""

from __future__ import annotations

import time

import numpy as np

from hand_drivers.bus import Bus
from hand_drivers.device import DeviceError, DeviceSettings, JointSample
from hand_drivers.devices.inspire_links import InspireOptions, Link, open_link
from hand_drivers.devices.options import read_options

WIRE = ("pinky", "ring", "middle", "index", "thumb_proximal_pitch", "thumb_proximal_yaw")  # how joint names begin
OPEN = 1000
ERRORS_EVERY = 10  # exchanges between two looks at the error register
ERROR_BITS = ("stall", "over-temperature", "overcurrent", "motor", "communication")
CLEAR_S = 1.0


class InspireDevice:
    """One hand; the wire is asked in a thread of its own, as fast as it answers."""

    def __init__(self, settings: DeviceSettings) -> None:
        robot = settings.embodiment
        self.joints = robot.joints
        self._name = f"inspire {settings.address}"
        self._options = read_options(InspireOptions, settings)
        self._address = settings.address
        self._order = [_place(robot.joints, begin, self._name) for begin in WIRE]
        self._lower, self._upper = robot.lower, robot.upper
        self._bus: Bus | None = None
        self._link: Link | None = None

    def connect(self) -> None:
        """Open the wire, set speed and force, wait for a first answer. Raises DeviceError."""
        self.disconnect()
        self._faults, self._asked, self._then = [0] * len(WIRE), 0, None
        self._clear = False
        self._bus = Bus(self._name, self._exchange, self._options.max_age_s)
        try:
            self._bus.start(self._options.connect_s)
        except DeviceError:
            self.disconnect()
            raise

    def read(self) -> JointSample:
        """Newest measured state; effort is 0, the hand measures none in Nm."""
        return self._running().read()

    def write(self, position: np.ndarray) -> None:
        """Targets for the next exchange."""
        self._running().write(position)

    def stop(self) -> None:
        """Hold where the fingers are."""
        self.write(self.read().position)

    def fault(self) -> str | None:
        """The hand's error register in words."""
        found = [
            f"{begin}: {', '.join(name for bit, name in enumerate(ERROR_BITS) if code >> bit & 1) or f'error {code}'}"
            for begin, code in zip(WIRE, self._faults, strict=True)
            if code
        ]
        return "; ".join(found) or None

    def clear_fault(self) -> None:
        """Clear the error register, and look at it again."""
        self._running()
        self._clear = True
        deadline = time.monotonic() + CLEAR_S
        while self._clear and time.monotonic() < deadline:
            time.sleep(0.005)

    def disconnect(self) -> None:
        """Stop asking and close the wire."""
        if self._bus is not None:
            self._bus.stop()
        if self._link is not None:
            self._link.close()
        self._bus = self._link = None

    def _running(self) -> Bus:
        if self._bus is None:
            raise DeviceError(f"{self._name}: not connected")
        return self._bus

    def _exchange(self, target: np.ndarray | None) -> JointSample:
        """In the bus's thread: one round of questions to the hand."""
        if self._link is None:
            self._link = open_link(self._address, self._options)
        clearing = self._clear
        if clearing:
            self._link.clear()
            self._asked = 0
        if target is not None:
            self._link.send(self._to_wire(target))
        angles = np.array(self._link.angles(), dtype=float)
        if self._asked % ERRORS_EVERY == 0:
            self._faults = self._link.errors()
        if clearing:
            self._clear = False
        self._asked += 1
        return self._sample(time.time_ns(), angles)

    def _to_wire(self, position: np.ndarray) -> list[int]:
        share = (self._upper - position) / (self._upper - self._lower)
        return [int(round(OPEN * value)) for value in np.clip(share, 0, 1)[self._order]]

    def _sample(self, stamp_ns: int, angles: np.ndarray) -> JointSample:
        if angles.shape != (len(WIRE),) or angles.min() < 0 or angles.max() > OPEN:
            raise DeviceError(f"found angles {angles.tolist()}, expected six of 0 to {OPEN}")
        position = np.empty(len(WIRE))
        position[self._order] = angles
        position = self._upper - position / OPEN * (self._upper - self._lower)
        velocity = np.zeros_like(position)
        if self._then is not None and stamp_ns > self._then[0]:
            velocity = (position - self._then[1]) / (1e-9 * (stamp_ns - self._then[0]))
        self._then = (stamp_ns, position)
        return JointSample(stamp_ns, position, velocity, np.zeros_like(position))


def _place(joints: tuple[str, ...], begin: str, name: str) -> int:
    found = [index for index, joint in enumerate(joints) if begin in joint]
    if len(found) != 1:
        raise DeviceError(f"{name}: found joints {list(joints)}, expected one whose name has '{begin}'")
    return found[0]
