"""What is in `rt/lowstate` and `rt/arm_sdk`, as arrays: Unitree's `LowState_` and `LowCmd_` of humanoids, in CDR.

Unitree's library makes an object of each of their 500 numbers, 250 times a second and in both directions. Both messages
have one size and no number of more than four bytes, so every field has one place, and one array takes them all. DDS is
told the types as Unitree's library describes them. Import this module late: it needs that library.
"""

from __future__ import annotations

import zlib
from typing import Any, ClassVar, TypeVar

import numpy as np
from unitree_sdk2py.idl.unitree_hg.msg import dds_

from hand_drivers.device import DeviceError
from hand_drivers.devices.g1_dds import MotorStates

MOTORS = 35
HEADER = b"\x00\x01\x00\x00"  # CDR, little-endian
LOW, BYTE = np.uint32(0xFFFF), np.uint32(0xFF)
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))

_Self = TypeVar("_Self", bound="Message")


class Message:
    """A message of `SIZE` 32-bit words. Those of the motors begin at `FIRST`, `WIDTH` words each, of which the last one
    is the mode of the next motor: the first one's shares a word with what stands before it.

    `sample_info` is what DDS says of a message that came.
    """

    SIZE: ClassVar[int]
    FIRST: ClassVar[int]
    WIDTH: ClassVar[int]
    MODES: ClassVar[int]  # the word with `mode_pr` and `mode_machine`
    __idl__: ClassVar[Any]  # the type, for DDS

    def __init__(self, words: np.ndarray | None = None) -> None:
        self.words = np.zeros(self.SIZE, "<u4") if words is None else words
        self.sample_info: Any = None

    @classmethod
    def deserialize(cls: type[_Self], data: bytes) -> _Self:
        """The message, read only. Raises DeviceError for another size or encoding."""
        if len(data) != 4 + 4 * cls.SIZE or data[:2] != HEADER[:2]:
            found = f"{len(data)} bytes in encoding {data[:2].hex() or 'none'}"
            raise DeviceError(f"{cls.__name__}: found {found}, expected {4 + 4 * cls.SIZE} in 0001")
        return cls(np.frombuffer(data, "<u4", offset=4))

    @classmethod
    def deserialize_key(cls: type[_Self], _data: bytes) -> _Self:
        """What DDS shows when a sender has left. The types have no key, so there is nothing in it."""
        return cls()

    def serialize(self, **_: object) -> bytes:
        """As DDS sends it, whatever encoding it would prefer: a message says its own."""
        return HEADER + self.words.tobytes()

    @property
    def motors(self) -> np.ndarray:
        """(35, WIDTH) words, a view."""
        return self.words[self.FIRST : self.FIRST + MOTORS * self.WIDTH].reshape(MOTORS, self.WIDTH)

    @property
    def numbers(self) -> np.ndarray:
        """(35, WIDTH) The same words as four-byte floats."""
        return self.motors.view("<f4")

    @property
    def mode_machine(self) -> int:
        """The robot's kind."""
        return int(self.words[self.MODES] >> 8 & BYTE)

    @mode_machine.setter
    def mode_machine(self, value: int) -> None:
        self.words[self.MODES] = self.words[self.MODES] & ~np.uint32(0xFF00) | np.uint32(value << 8)

    @property
    def crc(self) -> int:
        """The checksum that came with it."""
        return int(self.words[-1])

    def seal(self) -> None:
        """Give it its checksum."""
        self.words[-1] = self.checksum()

    def checksum(self) -> int:
        """Unitree's, over the C struct of the message: there the first motor's mode has a word of its own, too, and
        between the fields is nothing. CRC-32 with polynomial 0x04C11DB7 over the 32-bit words but the last, the highest
        bit of each first, from all ones on, not inverted at the end.
        """
        first, words = self.FIRST, self.words
        struct = np.concatenate([words[:first], words[first - 1 : first] >> 16, words[first:-1]])
        struct[first - 1] &= LOW
        struct[self.MODES] &= LOW
        struct[first : first + MOTORS * self.WIDTH : self.WIDTH] &= BYTE
        value = zlib.crc32(struct.astype(">u4").tobytes().translate(_REVERSED))  # usually, low bits come first
        return int(f"{value ^ 0xFFFFFFFF:032b}"[::-1], 2)


class LowState(Message):
    """How the robot is."""

    SIZE, FIRST, WIDTH, MODES = 522, 18, 14, 2
    TICK = 3  # the word with the robot's time, ms
    Q, DQ, TAU, TEMPERATURES, ERRORS = 0, 1, 3, 4, 8  # of a motor
    __idl__ = dds_.LowState_.__idl__

    @property
    def motor_states(self) -> MotorStates:
        """Of all motors."""
        temperatures = np.ascontiguousarray(self.motors[:, self.TEMPERATURES : self.TEMPERATURES + 1]).view("<i2")
        moves = self.numbers[:, [self.Q, self.DQ, self.TAU]].astype(float)
        return MotorStates(moves, self.motors[:, self.ERRORS], temperatures)


class LowCmd(Message):
    """What the motors are told."""

    SIZE, FIRST, WIDTH, MODES = 250, 1, 7, 0
    Q, KP, KD = 0, 3, 4  # of a motor
    __idl__ = dds_.LowCmd_.__idl__

    @property
    def modes(self) -> np.ndarray:
        """(35,) 1: enabled."""
        return np.append(self.words[self.FIRST - 1] >> 16, self.motors[:-1, -1]) & BYTE

    @modes.setter
    def modes(self, modes: np.ndarray) -> None:
        self.words[self.FIRST - 1] = self.words[self.FIRST - 1] & LOW | np.uint32(modes[0]) << 16
        self.motors[:-1, -1] = modes[1:]
