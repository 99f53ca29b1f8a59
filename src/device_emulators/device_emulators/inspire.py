"""`emulate_inspire`: an Inspire hand on a pseudo terminal or Modbus TCP, with the registers that drivers use."""

from __future__ import annotations

import struct
import threading

import numpy as np

from device_emulators.faults import Faults
from device_emulators.lag import Joints, Lag

ANGLE_SET, ANGLE_ACT, FORCE_SET, SPEED_SET, ERROR, CLEAR_ERROR = 1486, 1546, 1498, 1522, 1606, 1004
FINGERS, OPEN = 6, 1000
SIZE = 2000  # bytes of registers
LONGEST = 252  # bytes of one read: this length and three more must fit in a byte


class InspireHand:
    """The hand's registers: bytes by address, words low byte first."""

    def __init__(self, faults: Faults, fingers: Joints | None = None) -> None:
        self.faults, self._fingers = faults, fingers or Lag(np.full(FINGERS, float(OPEN)))
        self._memory, self._lock = bytearray(SIZE), threading.Lock()
        self._put(ANGLE_SET, [65535] * FINGERS)  # -1: no target yet

    @property
    def angles(self) -> np.ndarray:
        """Positions of the fingers (6,), 0 (closed) to 1000 (open)."""
        return self._fingers.position

    def written(self, address: int, count: int = FINGERS) -> list[int]:
        """The last written `count` words from `address`."""
        return list(struct.unpack_from(f"<{count}H", self._memory, address))

    def read(self, address: int, size: int) -> bytes | None:
        """`size` bytes from `address`; None if there are no such registers."""
        with self._lock:
            self._fingers.frozen = self.faults.frozen
            # joints of a simulated world may exceed their limits slightly; the counts of the hand do not
            self._put(ANGLE_ACT, [round(angle) for angle in np.clip(self._fingers.position, 0, OPEN).tolist()])
            self._memory[ERROR : ERROR + FINGERS] = bytes([self.faults.code & 0xFF] * FINGERS)
            end = address + size
            return bytes(self._memory[address:end]) if address >= 0 and end <= SIZE else None

    def write(self, address: int, data: bytes) -> bool:
        """Write registers; returns whether `data` fits at `address`."""
        with self._lock:
            if not 0 <= address <= SIZE - len(data):
                return False
            self._memory[address : address + len(data)] = data
            if address == CLEAR_ERROR and data[:1] == b"\x01":
                self.faults.code &= 0xFF00  # codes above 255 cannot be cleared
            if ANGLE_SET <= address < ANGLE_SET + 2 * FINGERS:
                self._move()
            return True

    def _move(self) -> None:
        wanted = np.array(self.written(ANGLE_SET), dtype=float)
        if not self.faults.code:
            self._fingers.move(np.where(wanted <= OPEN, wanted, self._fingers.target))

    def _put(self, address: int, words: list[int]) -> None:
        struct.pack_into(f"<{len(words)}H", self._memory, address, *words)


class SerialProtocol:
    """The serial protocol of the RH56DFX: `EB 90 id length command address data sum`; responses with `90 EB`."""

    def __init__(self, hand: InspireHand, number: int = 1) -> None:
        self._hand, self._number, self._buffer = hand, number, b""

    def receive(self, data: bytes) -> bytes:
        """The responses to the requests that `data` completes; invalid bytes in between are skipped."""
        self._buffer += data
        answers = b""
        while (start := self._buffer.find(b"\xeb\x90")) >= 0:
            self._buffer = self._buffer[start:]
            if len(self._buffer) < 5 or len(self._buffer) < (size := self._buffer[3] + 5):
                return answers
            frame = self._buffer[:size]
            if frame[3] < 4 or sum(frame[2:-1]) & 0xFF != frame[-1]:
                self._buffer = self._buffer[2:]
                continue
            self._buffer = self._buffer[size:]
            answers += self._answer(frame)
        self._buffer = self._buffer[-1:]
        return answers

    def _answer(self, frame: bytes) -> bytes:
        number, command, address, data = frame[2], frame[4], frame[5] | frame[6] << 8, frame[7:-1]
        if number != self._number:
            return b""
        if command == 0x11 and len(data) == 1 and data[0] <= LONGEST:
            payload = self._hand.read(address, data[0])
        elif command == 0x12:
            payload = b"\x01" if self._hand.write(address, data) else None
        else:
            payload = None
        if payload is None:
            return b""
        body = bytes([number, len(payload) + 3, command, frame[5], frame[6]]) + payload
        return b"\x90\xeb" + body + bytes([sum(body) & 0xFF])


class ModbusProtocol:
    """Modbus TCP of the RH56DFTP, functions 3 and 16; addresses count bytes, words are big-endian on the wire."""

    def __init__(self, hand: InspireHand) -> None:
        self._hand, self._buffer = hand, b""

    def receive(self, data: bytes) -> bytes:
        """The responses to the requests that `data` completes."""
        self._buffer += data
        answers = b""
        while len(self._buffer) >= 8:
            transaction, protocol, length = struct.unpack_from(">HHH", self._buffer)
            if protocol or not 2 <= length <= 260:
                self._buffer = b""  # not Modbus: discarded
                break
            if len(self._buffer) < 6 + length:
                break
            unit, request = self._buffer[6], self._buffer[7 : 6 + length]
            self._buffer = self._buffer[6 + length :]
            answer = self._answer(request)
            answers += struct.pack(">HHHB", transaction, 0, len(answer) + 1, unit) + answer
        return answers

    def _answer(self, request: bytes) -> bytes:
        function = request[0]
        if function == 3 and len(request) == 5:
            address, count = struct.unpack_from(">HH", request, 1)
            found = self._hand.read(address, 2 * count) if 0 < count <= 125 else None
            if found is not None:
                return bytes([3, 2 * count]) + _swapped(found)
        elif function == 16 and len(request) > 6 and len(request) == 6 + request[5] and request[5] % 2 == 0:
            address, count = struct.unpack_from(">HH", request, 1)
            if 2 * count == request[5] and self._hand.write(address, _swapped(request[6:])):
                return request[:5]
        return bytes([function | 0x80, 2 if function in (3, 16) else 1])


def _swapped(data: bytes) -> bytes:
    """The data with the bytes of each word swapped."""
    return np.frombuffer(data, "<u2").byteswap().tobytes()
