"""The two links of Inspire hands, serial and Modbus TCP, through their libraries, in the hands' units."""

from __future__ import annotations

import contextlib
from typing import Protocol

from pydantic import Field

from hand_drivers.device import DeviceError
from hand_drivers.polled_device import BusOptions

FINGERS = 6
CLEAR_ERROR, FORCE_SET, ANGLE_ACT, ERROR = 1004, 1498, 1546, 1606  # registers of RH56DFTP
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

    def set_up(self) -> None:
        """Set speed and force; separate from opening, so that the link can be closed if this fails."""

    def send(self, angles: list[int]) -> None:
        """Set the targets (6), 0 (closed) to 1000 (open)."""

    def angles(self) -> list[int]:
        """Measured angles (6)."""
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
        from rh56_sdk.exceptions import RH56HardwareError

        self._still_faulty = RH56HardwareError
        self._hand = RH56Driver(port, options.baud, options.id, options.answer_s)
        self._options = options
        self._hand.connect()

    def set_up(self) -> None:
        """Set speed and force."""
        self._hand.set_speed([self._options.speed] * FINGERS)
        self._hand.set_force_threshold([self._options.force] * FINGERS)

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


class ModbusLink:
    """RH56DFTP through `inspire-rh56dftp`, whose calls return False or None if they fail."""

    def __init__(self, host: str, port: int, options: InspireOptions) -> None:
        from inspire_rh56dftp import client

        self._hand = client.InspireHand(
            host,
            port,
            default_speed=options.speed,
            timeout=options.answer_s,
            min_send_interval_s=0.0,  # each request waits for the previous response
            min_change=0,
            max_consecutive_errors=10**9,  # the driver reconnects
            unit_id=options.id,
        )
        self._force = options.force

    def set_up(self) -> None:
        """Set the force; the library has set the speed."""
        self._put(FORCE_SET, [self._force] * FINGERS)

    def send(self, angles: list[int]) -> None:
        """Set the targets."""
        if not self._hand.send_raw(angles):
            raise DeviceError("targets were not acknowledged")

    def angles(self) -> list[int]:
        """Measured angles."""
        return self._read(ANGLE_ACT, FINGERS)

    def errors(self) -> list[int]:
        """Error register."""
        return [byte for word in self._read(ERROR, FINGERS // 2) for byte in (word & 0xFF, word >> 8)]

    def clear(self) -> None:
        """Clear the error register."""
        self._put(CLEAR_ERROR, [1])

    def close(self) -> None:
        """Close the link."""
        self._hand.close()

    def _put(self, address: int, words: list[int]) -> None:
        self._hand._write_and_ack(address, words)  # the library's public methods write angles and speeds only

    def _read(self, address: int, count: int) -> list[int]:
        found = self._hand.read_holding(address, count)
        if found is None:
            raise DeviceError(f"no response for register {address}")
        return found


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
