"""Serial frames of the Ability hand (PSYONIC's API): `7E`, content and checksum with PPP stuffing, `7E`.

Positions are degrees x 32767 / 150 in the hand's order: index, middle, ring, little, thumb flexor, thumb rotator.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np

FRAME, ESCAPE, MASK = 0x7E, 0x7D, 0x20
ADDRESS = 0x50
POSITION, READ = 0x12, 0xA2  # with a reply of position, current and velocity, without touch sensors
REPLY = struct.Struct("<B12h6hB")
LONGEST = 128  # bytes of a frame
PER_RAD = 32767 / np.deg2rad(150)
RAD_PER_S = np.deg2rad(3000) / 32767 / 4
PER_AMPERE = 620.606
MOTORS = 6


@dataclass(frozen=True)
class Reply:
    """State of the hand: position (6,) rad, velocity (6,) rad/s, current (6,) A, and status byte, 0 without fault."""

    position: np.ndarray
    velocity: np.ndarray
    current: np.ndarray
    status: int


def stuffed(body: bytes) -> bytes:
    """A frame of `body` and its checksum."""
    content = body + bytes([-sum(body) & 0xFF])
    escaped = b"".join(bytes([ESCAPE, byte ^ MASK]) if byte in (FRAME, ESCAPE) else bytes([byte]) for byte in content)
    return bytes([FRAME]) + escaped + bytes([FRAME])


class Unstuffer:
    """Extracts the bodies of complete frames with a correct checksum from a stream; others are dropped."""

    def __init__(self) -> None:
        self._buffer, self._escaped = bytearray(), False

    def feed(self, data: bytes) -> list[bytes]:
        """The bodies that `data` completes."""
        bodies = []
        for byte in data:
            if byte == FRAME:
                whole = 1 < len(self._buffer) <= LONGEST and not self._escaped
                if whole and sum(self._buffer) & 0xFF == 0:
                    bodies.append(bytes(self._buffer[:-1]))
                self._buffer.clear()
                self._escaped = False
            elif byte == ESCAPE:
                self._escaped = True
            elif len(self._buffer) <= LONGEST:  # one byte more marks the frame as too long
                self._buffer.append(byte ^ MASK if self._escaped else byte)
                self._escaped = False
        return bodies


def command(position: np.ndarray | None) -> bytes:
    """The frame that sets positions (6,), rad; with None, one that only requests a reply."""
    if position is None:
        return stuffed(bytes([ADDRESS, READ]))
    words = np.clip(np.round(np.asarray(position) * PER_RAD), -32767, 32767).astype(int)
    return stuffed(struct.pack("<BB6h", ADDRESS, POSITION, *words))


def reply(body: bytes) -> Reply | None:
    """The state in the body of a reply; None for another kind of frame."""
    if len(body) != REPLY.size or body[0] & 0x0F != POSITION & 0x0F:
        return None
    _, *words, status = REPLY.unpack(body)
    pairs, velocity = np.array(words[: 2 * MOTORS], float).reshape(MOTORS, 2), np.array(words[2 * MOTORS :], float)
    return Reply(pairs[:, 0] / PER_RAD, velocity * RAD_PER_S, pairs[:, 1] / PER_AMPERE, status)
