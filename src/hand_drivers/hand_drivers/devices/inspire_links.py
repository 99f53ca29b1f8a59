"""The two links of Inspire hands, serial through a library and Modbus TCP, in the hands' units."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import Any, Protocol

from pydantic import Field

from hand_drivers.device import DeviceError
from hand_drivers.devices.late_responses import LateResponses
from hand_drivers.devices.modbus_tcp import ModbusTcp
from hand_drivers.polled_device import BusOptions

FINGERS = 6
CLEAR_ERROR, ANGLE_SET, FORCE_SET, SPEED_SET, ANGLE_ACT, ERROR = 1004, 1486, 1498, 1522, 1546, 1606  # registers
MODBUS_PORT = 6000


class InspireOptions(BusOptions):
    """Options of an Inspire hand."""

    id: int = Field(default=1, ge=1, le=254, description="id of the hand on its line")
    baud: int = Field(
        default=115200, ge=9600, le=12_000_000, description="bits per second of the serial line; the hand's default"
    )
    speed: int = Field(
        default=1000, ge=1, le=1000, description="speed limit in the hand, thousandths; set when connecting"
    )
    force: int = Field(default=500, ge=0, le=1000, description="force at which a finger stops, g; set when connecting")


class Link(Protocol):
    """An open link, in the hand's units; every call raises when it fails."""

    @property
    def answered_ns(self) -> int:
        """When the last response had been received, ns since the epoch."""
        ...

    def set_up(self) -> None:
        """Set speed and force, and check that the hand has them; separate from opening: a failed link can be closed."""

    def send(self, angles: list[int]) -> None:
        """Set the targets (6), 0 (closed) to 1000 (open)."""

    def angles(self) -> list[int]:
        """Measured angles (6); `answered_ns` is their stamp."""
        ...

    def errors(self) -> list[int]:
        """Error register (6), one byte per finger."""
        ...

    def clear(self) -> None:
        """Clear the error register."""

    def close(self) -> None:
        """Close the link."""


class SerialLink:
    """RH56DFX through `pyrh56`."""

    def __init__(self, port: str, options: InspireOptions) -> None:
        from rh56_sdk import RH56Driver
        from rh56_sdk.configuration import RetryPolicy, RH56Config
        from rh56_sdk.exceptions import RH56HardwareError
        from rh56_sdk.protocol import parse_u16_le

        self._still_faulty, self._words = RH56HardwareError, parse_u16_le
        retry = RetryPolicy(retries=0)  # the next exchange does
        config = RH56Config(port, options.baud, options.id, options.answer_s, retry)
        self._line = serial_line(port, options)
        self._hand = RH56Driver(config, transport=self._line)
        self._options = options
        self._hand.connect()

    @property
    def answered_ns(self) -> int:
        """When the last response had been received."""
        return self._line.late.answered_ns

    def set_up(self) -> None:
        """Set speed and force, and read them back."""
        self._hand.set_speed([self._options.speed] * FINGERS)
        self._hand.set_force_threshold([self._options.force] * FINGERS)
        check_settings(self._options, self._read)

    def send(self, angles: list[int]) -> None:
        """Set the targets."""
        self._hand.reset_miss_count()  # the library would refuse to move after missing responses, the driver's decision
        if not self._hand.safe_stop:  # a hand with a fault has stopped, and accepts no targets until it is cleared
            self._hand.move_to(angles)

    def angles(self) -> list[int]:
        """Measured angles."""
        return self._hand.read_angle()

    def errors(self) -> list[int]:
        """Error register."""
        return self._hand.read_error()

    def clear(self) -> None:
        """Clear the error register."""
        with contextlib.suppress(self._still_faulty):  # a persistent fault is reported by `errors`
            self._hand.clear_error()

    def close(self) -> None:
        """Close the link."""
        self._hand.disconnect()

    def _read(self, address: int, count: int) -> list[int]:
        return self._words(self._hand._read_reg16(address, count), count)  # no public method reads the settings


class ModbusLink:
    """RH56DFTP over Modbus TCP."""

    def __init__(self, host: str, port: int, options: InspireOptions) -> None:
        self._hand = ModbusTcp(host, port, options.id, options.answer_s)
        self._options, self.answered_ns = options, 0

    def set_up(self) -> None:
        """Set speed and force, and read them back."""
        self._hand.write(SPEED_SET, [self._options.speed] * FINGERS)
        self._hand.write(FORCE_SET, [self._options.force] * FINGERS)
        check_settings(self._options, self._hand.read)

    def send(self, angles: list[int]) -> None:
        """Set the targets."""
        self._hand.write(ANGLE_SET, angles)

    def angles(self) -> list[int]:
        """Measured angles."""
        angles = self._hand.read(ANGLE_ACT, FINGERS)
        self.answered_ns = time.time_ns()
        return angles

    def errors(self) -> list[int]:
        """Error register."""
        return [byte for word in self._hand.read(ERROR, FINGERS // 2) for byte in (word & 0xFF, word >> 8)]

    def clear(self) -> None:
        """Clear the error register."""
        self._hand.write(CLEAR_ERROR, [1])

    def close(self) -> None:
        """Close the link."""
        self._hand.close()


def check_settings(options: InspireOptions, read: Callable[[int, int], list[int]]) -> None:
    """Check that the hand has the speed and force that it acknowledged.

    Raises:
        DeviceError: It has others.
    """
    for name, register, expected in (("speed", SPEED_SET, options.speed), ("force", FORCE_SET, options.force)):
        found = read(register, FINGERS)
        if found != [expected] * FINGERS:
            raise DeviceError(f"{name}: found {found} in the hand, which acknowledged {expected}")


def serial_line(port: str, options: InspireOptions) -> Any:
    """The library's serial line, which discards late responses."""
    from rh56_sdk.transport import SerialTransport

    class SerialLine(SerialTransport):
        def __init__(self) -> None:
            super().__init__(port, baud=options.baud, timeout=options.answer_s)
            self.late = LateResponses(self._byte, options.answer_s)

        def request(self, frame: bytes, timeout: float | None = None) -> bytes:
            with self.late.asking():
                return super().request(frame, options.answer_s if timeout is None else timeout)

        def _byte(self, wait_s: float) -> bytes:
            return self._read_with_deadline(1, time.monotonic() + wait_s)

    return SerialLine()


def open_link(address: str, options: InspireOptions) -> Link:
    """Open the link to an address: a serial port, or HOST[:PORT].

    Raises:
        DeviceError: For another address. Exceptions of the vendor's library pass through.
    """
    if address.startswith("/"):
        return SerialLink(address, options)
    host, _, port = address.partition(":")
    if not host or not (port or str(MODBUS_PORT)).isdigit():
        raise DeviceError(f"address: found {address!r}, expected a serial port as /dev/ttyUSB0 or HOST[:PORT]")
    return ModbusLink(host, int(port or MODBUS_PORT), options)
