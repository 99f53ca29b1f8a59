"""The two wires of Inspire hands, in the hands' own numbers, through their libraries."""

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

    id: int = Field(1, ge=1, le=254, description="number of the hand on its line")
    baud: int = Field(115200, description="bits per second of the serial line; the hand's default")
    speed: int = Field(1000, ge=1, le=1000, description="the hand's own speed limit, thousandths; set when connecting")
    force: int = Field(500, ge=0, le=1000, description="force at which a finger stops, g; set when connecting")


class Link(Protocol):
    """What one of the two wires does, in the hand's own numbers; any call raises when it fails.

    `set_up` sets what the options say, apart from opening: a wire whose hand does not answer can be closed then.
    """

    def set_up(self) -> None: ...
    def send(self, angles: list[int]) -> None: ...
    def angles(self) -> list[int]: ...
    def errors(self) -> list[int]: ...
    def clear(self) -> None: ...
    def close(self) -> None: ...


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
        self._hand.set_speed([self._options.speed] * FINGERS)
        self._hand.set_force_threshold([self._options.force] * FINGERS)

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
        self._force = options.force

    def set_up(self) -> None:
        self._put(FORCE_SET, [self._force] * FINGERS)

    def send(self, angles: list[int]) -> None:
        if not self._hand.send_raw(angles):
            raise DeviceError("targets were not acknowledged")

    def angles(self) -> list[int]:
        return self._read(ANGLE_ACT, FINGERS)

    def errors(self) -> list[int]:
        return [byte for word in self._read(ERROR, FINGERS // 2) for byte in (word & 0xFF, word >> 8)]

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


def open_link(address: str, options: InspireOptions) -> Link:
    """The wire that `address` names. Raises DeviceError, or what the vendor's library raises."""
    if address.startswith("/"):
        return SerialLink(address, options)
    host, _, port = address.partition(":")
    if not host or not (port or str(MODBUS_PORT)).isdigit():
        raise DeviceError(f"address: found {address!r}, expected a serial port as /dev/ttyUSB0 or HOST[:PORT]")
    return ModbusLink(host, int(port or MODBUS_PORT), options)
