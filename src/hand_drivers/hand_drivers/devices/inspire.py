"""Inspire RH56 hands: RH56DFX on a serial line (`/dev/ttyUSB0`), RH56DFTP over Modbus TCP (`192.168.11.210:6000`).

Both take and give six numbers of 0 (closed) to 1000 (open), little finger first; see docs/devices/inspire.md.
"""

from __future__ import annotations

import contextlib
import threading
import time
from typing import Protocol

import numpy as np
from pydantic import Field

from hand_drivers.bus import Bus
from hand_drivers.device import DeviceError, DeviceSettings, JointSample
from hand_drivers.devices.options import Options, read_options

WIRE = ("pinky", "ring", "middle", "index", "thumb_proximal_pitch", "thumb_proximal_yaw")  # how joint names begin
OPEN = 1000
CLEAR_ERROR, FORCE_SET, ANGLE_ACT, ERROR = 1004, 1498, 1546, 1606  # registers of RH56DFTP
ERRORS_EVERY = 10  # exchanges between two looks at the error register
ERROR_BITS = ("stall", "over-temperature", "overcurrent", "motor", "communication")
CLEAR_S = 0.5
MODBUS_PORT = 6000


class InspireOptions(Options):
    """Options of an Inspire hand."""

    id: int = Field(1, ge=1, le=254, description="number of the hand on its line")
    baud: int = Field(115200, description="of the serial line; the hand's default")
    speed: int = Field(1000, ge=1, le=1000, description="the hand's own speed limit, of 1000")
    force: int = Field(500, ge=0, le=1000, description="force at which a finger stops, g (0 to 1000)")
    answer_s: float = Field(0.1, gt=0, le=1, description="longest time to wait for one answer, s")
    max_age_s: float = Field(0.3, gt=0, le=2, description="an older measurement is none, s")
    connect_s: float = Field(3.0, gt=0, le=30, description="longest time to wait for the first answer, s")


class Link(Protocol):
    """What one of the two wires does, in the hand's own numbers; any call raises when it fails."""

    def send(self, angles: list[int]) -> None: ...
    def angles(self) -> list[int]: ...
    def errors(self) -> list[int]: ...
    def clear(self) -> None: ...
    def close(self) -> None: ...


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
        self._clear, self._cleared = threading.Event(), threading.Event()
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
        self._cleared.clear()
        self._clear.set()
        self._cleared.wait(CLEAR_S)

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
            self._link = _open(self._address, self._options)
        if self._clear.is_set():
            self._clear.clear()
            self._link.clear()
            self._asked = 0
        if target is not None:
            self._link.send(self._to_wire(target))
        angles = np.array(self._link.angles(), dtype=float)
        if self._asked % ERRORS_EVERY == 0:
            self._faults = self._link.errors()
            self._cleared.set()
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


class SerialLink:
    """RH56DFX through `pyrh56`."""

    def __init__(self, port: str, options: InspireOptions) -> None:
        from rh56_sdk import RH56Driver
        from rh56_sdk.exceptions import RH56HardwareError

        self._still_faulty = RH56HardwareError
        self._hand = RH56Driver(port, options.baud, options.id, options.answer_s)
        self._hand.connect()
        self._hand.set_speed([options.speed] * len(WIRE))
        self._hand.set_force_threshold([options.force] * len(WIRE))

    def send(self, angles: list[int]) -> None:
        self._hand.reset_miss_count()  # the library would refuse to move after missed answers; the driver judges that
        if not self._hand.safe_stop:  # a faulty hand has stopped by itself and takes no targets until cleared
            self._hand.move_to(angles)

    def angles(self) -> list[int]:
        return self._hand.read_angle()

    def errors(self) -> list[int]:
        return self._hand.read_error()

    def clear(self) -> None:
        with contextlib.suppress(self._still_faulty):  # the fault is still there: `errors` says so
            self._hand.clear_error()

    def close(self) -> None:
        self._hand.disconnect()


class ModbusLink:
    """RH56DFTP through `inspire-rh56dftp`, whose calls return False or None where they fail."""

    def __init__(self, host: str, port: int, options: InspireOptions) -> None:
        from inspire_rh56dftp import client

        self._hand = client.InspireHand(
            host,
            port,
            default_speed=options.speed,
            timeout=options.answer_s,
            min_send_interval_s=0.0,  # the bus sends no faster than the hand answers
            min_change=0,
            max_consecutive_errors=10**9,  # reconnecting is the driver's
            unit_id=options.id,
        )
        self._put(FORCE_SET, [options.force] * len(WIRE))

    def send(self, angles: list[int]) -> None:
        if not self._hand.send_raw(angles):
            raise DeviceError("targets were not acknowledged")

    def angles(self) -> list[int]:
        return self._read(ANGLE_ACT, len(WIRE))

    def errors(self) -> list[int]:
        return [byte for word in self._read(ERROR, len(WIRE) // 2) for byte in (word & 0xFF, word >> 8)]

    def clear(self) -> None:
        self._put(CLEAR_ERROR, [1])

    def close(self) -> None:
        self._hand.close()

    def _put(self, address: int, words: list[int]) -> None:
        self._hand._write_and_ack(address, words)  # the library has names for angles and speeds only

    def _read(self, address: int, count: int) -> list[int]:
        found = self._hand.read_holding(address, count)
        if found is None:
            raise DeviceError(f"no answer for register {address}")
        return found


def _open(address: str, options: InspireOptions) -> Link:
    """The wire that `address` names. Raises DeviceError, or what the vendor's library raises."""
    if address.startswith("/"):
        return SerialLink(address, options)
    host, _, port = address.partition(":")
    if not host or not (port or str(MODBUS_PORT)).isdigit():
        raise DeviceError(f"address: found {address!r}, expected a serial port as /dev/ttyUSB0 or HOST[:PORT]")
    return ModbusLink(host, int(port or MODBUS_PORT), options)


def _place(joints: tuple[str, ...], begin: str, name: str) -> int:
    found = [index for index, joint in enumerate(joints) if begin in joint]
    if len(found) != 1:
        raise DeviceError(f"{name}: found joints {list(joints)}, expected one whose name has '{begin}'")
    return found[0]
