"""`emulate_robotiq`: a Robotiq 2F gripper with Modbus RTU, on a pseudo terminal or a TCP port."""

from __future__ import annotations

import struct
import threading
import time

import numpy as np

from device_emulators.faults import Faults
from device_emulators.lag import Joints, Lag

OUTPUT, INPUT, WORDS = 1000, 2000, 3
OPENED, CLOSED = 3, 228
ACTIVATION_S = 1.5


class RobotiqGripper:
    """The gripper's registers: three words to write, three to read."""

    def __init__(self, faults: Faults, active: bool = True, finger: Joints | None = None) -> None:
        self.faults, self.finger = faults, finger or Lag(np.array([float(OPENED)]))
        self.activations = 0
        self._written, self._lock = [0x0900 if active else 0, OPENED, 0], threading.Lock()
        self._active_at: float | None = 0.0 if active else None

    @property
    def written(self) -> list[int]:
        """The last written words: action, position, speed and force."""
        return list(self._written)

    def write(self, words: list[int]) -> None:
        """Write three words; the gripper moves only if it is active and the `go` bit is set."""
        with self._lock:
            self._written = list(words)
            action = words[0] >> 8
            if not action & 1:
                self._active_at = None
            elif self._active_at is None:
                self.activations += 1
                self._active_at = time.monotonic() + ACTIVATION_S
                if self.faults.code <= 0xFF:
                    self.faults.code = 0
            if action & 8 and self._state() == 3 and not self.faults.code:
                self.finger.move(np.clip([words[1] & 0xFF], OPENED, CLOSED))

    def write_from(self, register: int, words: list[int]) -> bool:
        """Write some of the words; returns whether there are such registers."""
        first, written = register - OUTPUT, self.written
        if not 0 <= first < first + len(words) <= WORDS:
            return False
        written[first : first + len(words)] = words
        self.write(written)
        return True

    def read(self) -> list[int]:
        """Status, fault and echo of the target, position and current."""
        with self._lock:
            self.finger.frozen = self.faults.frozen
            action = self._written[0] >> 8
            status = self._state() << 4 | action & 9
            position = round(float(np.clip(self.finger.position[0], 0, 255)))
            return [status << 8, (self.faults.code & 0xFF) << 8 | self._written[1] & 0xFF, position << 8]

    def _state(self) -> int:
        if self._active_at is None:
            return 0
        return 3 if time.monotonic() >= self._active_at else 1


class RtuProtocol:
    """Modbus RTU, functions 3, 4, 16 and 23."""

    def __init__(self, gripper: RobotiqGripper, number: int = 9) -> None:
        self._gripper, self._number, self._buffer = gripper, number, b""

    def receive(self, data: bytes) -> bytes:
        """The responses to the requests that `data` completes; invalid bytes in between are skipped."""
        self._buffer += data
        answers = b""
        while len(self._buffer) >= 8:
            size = _size(self._buffer)
            if size is None or (len(self._buffer) >= size and crc(self._buffer[:size]) != b"\0\0"):
                self._buffer = self._buffer[1:]
                continue
            if len(self._buffer) < size:
                break
            frame, self._buffer = self._buffer[: size - 2], self._buffer[size:]
            if frame[0] == self._number:
                answer = frame[:1] + self._answer(frame[1], frame[2:])
                answers += answer + crc(answer)
        return answers

    def _answer(self, function: int, body: bytes) -> bytes:
        if function in (3, 4) and struct.unpack_from(">HH", body) == (INPUT, WORDS):
            return bytes([function]) + self._input()
        if function == 16 and self._write(body):
            return bytes([function]) + body[:4]
        if function == 23 and struct.unpack_from(">HH", body) == (INPUT, WORDS) and self._write(body[4:]):
            return bytes([function]) + self._input()
        return bytes([function | 0x80, 2])

    def _write(self, body: bytes) -> bool:
        """Write the registers of `address, count, size, words`; returns whether that is valid."""
        register, count, size = struct.unpack_from(">HHB", body)
        if size != 2 * count or len(body) != 5 + size:
            return False
        return self._gripper.write_from(register, list(struct.unpack_from(f">{count}H", body, 5)))

    def _input(self) -> bytes:
        return struct.pack(">B3H", 2 * WORDS, *self._gripper.read())


def _size(frame: bytes) -> int | None:
    """Length of the request at the start of `frame`, with its checksum; None if it is not the start of a request."""
    if frame[1] in (3, 4):
        return 8
    place = {16: 6, 23: 10}.get(frame[1])
    if place is None or len(frame) <= place:
        return None if place is None else place + 3
    return place + 3 + frame[place]


def crc(data: bytes) -> bytes:
    """CRC-16 of Modbus RTU (reflected polynomial 0xA001); that of a frame with its checksum is zero."""
    value = 0xFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0xA001 if value & 1 else 0)
    return struct.pack("<H", value)
