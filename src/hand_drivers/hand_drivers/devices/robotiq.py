"""Robotiq 2F-85 and 2F-140 over Modbus RTU, on a serial line or a TCP port.

See docs/reference/devices/robotiq.md.
"""

from __future__ import annotations

import select
import socket
import time
from typing import Any

import numpy as np
from pydantic import Field, model_validator

from contracts.errors import FileError
from embodiments.registry import Embodiment
from hand_drivers.device import DeviceError, DeviceSettings, patiently, read_options
from hand_drivers.devices.late_responses import LateResponses
from hand_drivers.polled_device import Answer, BusDevice, BusOptions

OUTPUT, INPUT, WORDS = 1000, 2000, 3  # first register to write, first to read, number of each
ACTIVATE, GO = 0x0100, 0x0800
ACTIVE = 3
TCP_PORT = 54321
BLOCKING = 0x07  # faults from here on stop the gripper; those below clear when their cause is gone
MAJOR = 0x0A  # faults from here on persist until the next activation
FAULTS = {
    0x07: "not activated",
    0x08: "too hot",
    0x09: "no communication for 1 s",
    0x0A: "supply below 21.6 V",
    0x0B: "automatic release in progress",
    0x0C: "internal fault",
    0x0D: "activation failed",
    0x0E: "overcurrent",
    0x0F: "automatic release completed",
}


class RobotiqOptions(BusOptions):
    """Options of a Robotiq gripper."""

    id: int = Field(default=9, ge=1, le=247, description="Modbus id of the gripper")
    baud: int = Field(
        default=115200, ge=9600, le=12_000_000, description="bits per second of the serial line; the gripper's default"
    )
    speed: int = Field(default=255, ge=0, le=255, description="speed of the gripper, 255 is the fastest")
    force: int = Field(default=100, ge=0, le=255, description="force at which it stops closing, 255 is the strongest")
    opened: int = Field(default=3, ge=0, le=255, description="measured count when fully open; read it once")
    closed: int = Field(
        default=228, ge=0, le=255, description="measured count when closed without object; read it once"
    )
    activate: bool = Field(
        default=False, description="allow a reset to activate it if necessary: it opens and closes once"
    )
    activation_s: float = Field(default=5.0, gt=0, le=30, description="longest duration of an activation, s")

    @model_validator(mode="after")
    def _check_counts(self) -> RobotiqOptions:
        if self.closed <= self.opened:
            raise FileError("", "closed", self.closed, f"more than opened, {self.opened}")
        return self


def make(settings: DeviceSettings) -> BusDevice:
    """Make the device (plug-in).

    Raises:
        DeviceError: For wrong options or joints.
    """
    options, robot = read_options(RobotiqOptions, settings), settings.embodiment
    if len(robot.joints) != 1:
        raise DeviceError(f"robotiq: found {len(robot.joints)} joints, expected 1")
    address, name = settings.address, f"robotiq {settings.address}"
    wire = lambda: RobotiqWire(address, options, robot)  # noqa: E731
    return BusDevice(name, robot.joints, wire, options, line=address, port=TCP_PORT)


class RobotiqWire:
    """One connection; positions in m of one finger, from the joint's lower limit (closed) to its upper (open)."""

    def __init__(self, address: str, options: RobotiqOptions, robot: Embodiment) -> None:
        self._address, self._options = address, options
        self._closed, self._open = float(robot.lower[0]), float(robot.upper[0])
        self._client: Any = None
        self._late = LateResponses(self._bytes, options.answer_s)
        self._ready = False  # whether the last response came from an active gripper
        self._started = False  # whether the `go` bit was set since the connection or reset
        self._active_by_s: float | None = None  # deadline of the activation, monotonic; None unless activating

    def open(self) -> None:
        """Connect, without motion. A gripper that is not active is refused unless `activate` is set."""
        self._client = open_client(self._address, self._options)
        if state_of(patiently(self._read)) != ACTIVE and not self._options.activate:
            raise DeviceError("not activated; option 'activate' allows a reset to: the fingers open and close once")

    def exchange(self, target: np.ndarray | None) -> Answer:
        """Send the target and read position and fault, in one request.

        A target writes position, speed and force: not the action, which would activate a gripper that lost its power or
        its activation. Only the first one starts a gripper that has just been seen to be active.
        """
        known, self._ready = self._ready and self._started, False
        words = self._read() if target is None or not known else self._send(target)
        self._started = self._started or going(words)
        if target is not None and not known and state_of(words) == ACTIVE:
            words = self._send(target)
            self._started = self._started or going(words)
        self._ready = state_of(words) == ACTIVE
        self._active_by_s = None if self._ready else self._active_by_s
        return self._answer(words)

    def clear(self) -> None:
        """Start the activation that major faults need; its progress is in the next responses.

        Faults of the communication clear when communication resumes. The next target starts the gripper.
        """
        words, self._started = self._read(), False
        needed = state_of(words) != ACTIVE or fault_of(words) >= MAJOR
        if needed and self._options.activate and not self._activating():
            self._write_and_read(OUTPUT, 0, *self._aim(0))
            self._write_and_read(OUTPUT, ACTIVATE, *self._aim(0))
            self._active_by_s = time.monotonic() + self._options.activation_s

    def close(self) -> None:
        """Close the connection; the gripper holds."""
        if self._client is not None:
            self._client.close()

    def _answer(self, words: list[int]) -> Answer:
        count = words[2] >> 8
        share = (count - self._options.opened) / (self._options.closed - self._options.opened)
        position = self._open + np.clip(share, 0, 1) * (self._closed - self._open)
        return Answer(self._late.answered_ns, np.array([position]), fault=self._fault(words))

    def _fault(self, words: list[int]) -> str | None:
        fault = fault_of(words)
        if state_of(words) != ACTIVE and self._activating():
            return "activating: the fingers open and close"
        if fault >= BLOCKING:
            return f"fault {fault:#04x}: {FAULTS.get(fault, 'see the manual')}"
        if state_of(words) != ACTIVE:
            return "not activated"
        return "stopped by another program: the go bit is cleared" if self._started and not going(words) else None

    def _activating(self) -> bool:
        return self._active_by_s is not None and time.monotonic() < self._active_by_s

    def _send(self, target: np.ndarray) -> list[int]:
        share = np.clip((self._open - float(target[0])) / (self._open - self._closed), 0, 1)
        opened, closed = self._options.opened, self._options.closed
        aim = self._aim(round(opened + share * (closed - opened)))
        if self._started:
            return self._write_and_read(OUTPUT + 1, *aim)
        return self._write_and_read(OUTPUT, ACTIVATE | GO, *aim)

    def _aim(self, position: int) -> tuple[int, int]:
        return position, self._options.speed << 8 | self._options.force

    def _read(self) -> list[int]:
        with self._late.asking():
            return _words(self._client.read_input_registers(INPUT, count=WORDS, device_id=self._options.id))

    def _write_and_read(self, register: int, *words: int) -> list[int]:
        reading = {"read_address": INPUT, "read_count": WORDS, "device_id": self._options.id}
        with self._late.asking():
            return _words(self._client.readwrite_registers(**reading, write_address=register, values=list(words)))

    def _bytes(self, wait_s: float) -> bytes:
        """The bytes that come within so many s; none from a closed connection."""
        line = self._client.socket
        if isinstance(line, socket.socket):
            return line.recv(4096) if select.select([line], [], [], wait_s)[0] else b""
        if line is None:
            return b""
        before, line.timeout = line.timeout, wait_s
        try:
            return line.read(max(1, line.in_waiting))
        finally:
            line.timeout = before


def state_of(words: list[int]) -> int:
    """The field gSTA; 3 is active."""
    return words[0] >> 12 & 3


def going(words: list[int]) -> bool:
    """The field gGTO: whether it moves to its targets."""
    return bool(words[0] & GO)


def fault_of(words: list[int]) -> int:
    """The field gFLT; 0 without fault."""
    return words[1] >> 8


def open_client(address: str, options: RobotiqOptions) -> Any:
    """Open a Modbus client.

    Args:
        address: A serial port (`/dev/ttyUSB0`), or a TCP port that forwards RTU frames (`HOST[:PORT]`).
        options: Options of the gripper.

    Raises:
        DeviceError: If that fails. Exceptions of the library pass through.
    """
    from pymodbus import FramerType
    from pymodbus.client import ModbusSerialClient, ModbusTcpClient

    bounds = {"framer": FramerType.RTU, "timeout": options.answer_s, "retries": 0}
    if address.startswith("/"):
        client = ModbusSerialClient(address, baudrate=options.baud, **bounds)
    else:
        host, _, port = address.partition(":")
        if not host or not (port or str(TCP_PORT)).isdigit():
            raise DeviceError(f"address: found {address!r}, expected a serial port as /dev/ttyUSB0 or HOST[:PORT]")
        client = ModbusTcpClient(host, port=int(port or TCP_PORT), **bounds)
    if not client.connect():
        raise DeviceError("cannot be opened")
    return client


def _words(answer: Any) -> list[int]:
    if answer.isError() or len(answer.registers) != WORDS:
        raise DeviceError(f"found {answer}, expected {WORDS} registers")
    return answer.registers
