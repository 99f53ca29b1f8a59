"""The messages of `rt/lowstate` and `rt/arm_sdk` as arrays: Unitree's `LowState_` and `LowCmd_` of humanoids, in CDR.

Unitree's library creates an object for each of their 500 numbers, 250 times a second and in both directions. Both
messages have a fixed size and no number of more than four bytes, so every field has a fixed place in one array. The
DDS types are those of Unitree's library, which this module needs: import it late.
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
    """A message of `SIZE` 32-bit words.

    Those of the motors start at `FIRST`, `WIDTH` words each, of which the last is the mode of the next motor; the mode
    of the first motor shares a word with the field before it. `sample_info` is the information of DDS on a received
    message.
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
        """The message of received bytes, read only.

        Raises:
            DeviceError: For another size or encoding.
        """
        if len(data) != 4 + 4 * cls.SIZE or data[:2] != HEADER[:2]:
            found = f"{len(data)} bytes in encoding {data[:2].hex() or 'none'}"
            raise DeviceError(f"{cls.__name__}: found {found}, expected {4 + 4 * cls.SIZE} in 0001")
        return cls(np.frombuffer(data, "<u4", offset=4))

    @classmethod
    def deserialize_key(cls: type[_Self], _data: bytes) -> _Self:
        """An empty message, for which DDS asks when a writer was deleted: the types have no key."""
        return cls()

    def serialize(self, **_: object) -> bytes:
        """The bytes that are sent; the header states the encoding, so that DDS's preference is ignored."""
        return HEADER + self.words.tobytes()

    @property
    def motors(self) -> np.ndarray:
        """Words of the motors (35, WIDTH), a view."""
        return self.words[self.FIRST : self.FIRST + MOTORS * self.WIDTH].reshape(MOTORS, self.WIDTH)

    @property
    def numbers(self) -> np.ndarray:
        """The same words (35, WIDTH) as 32-bit floats."""
        return self.motors.view("<f4")

    @property
    def mode_machine(self) -> int:
        """The type of the robot."""
        return int(self.words[self.MODES] >> 8 & BYTE)

    @mode_machine.setter
    def mode_machine(self, value: int) -> None:
        self.words[self.MODES] = self.words[self.MODES] & ~np.uint32(0xFF00) | np.uint32(value << 8)

    @property
    def crc(self) -> int:
        """The checksum in the message."""
        return int(self.words[-1])

    def seal(self) -> None:
        """Write the checksum into the message."""
        self.words[-1] = self.checksum()

    def checksum(self) -> int:
        """Unitree's checksum of the message.

        CRC-32 with polynomial 0x04C11DB7 over the 32-bit words but the last, the highest bit of each first, initialised
        with ones, not inverted at the end. It is that of the C struct of the message, in which the first motor's mode
        has its own word and padding is zero.
        """
        first, words = self.FIRST, self.words
        struct = np.concatenate([words[:first], words[first - 1 : first] >> 16, words[first:-1]])
        struct[first - 1] &= LOW
        struct[self.MODES] &= LOW
        struct[first : first + MOTORS * self.WIDTH : self.WIDTH] &= BYTE
        value = zlib.crc32(struct.astype(">u4").tobytes().translate(_REVERSED))  # zlib takes the lowest bit first
        return int(f"{value ^ 0xFFFFFFFF:032b}"[::-1], 2)


class LowState(Message):
    """State of the robot."""

    SIZE, FIRST, WIDTH, MODES = 522, 18, 14, 2
    TICK = 3  # the word with the robot's time, ms
    Q, DQ, TAU, TEMPERATURES, ERRORS = 0, 1, 3, 4, 8  # of a motor
    __idl__ = dds_.LowState_.__idl__

    @property
    def motor_states(self) -> MotorStates:
        """State of all motors."""
        temperatures = np.ascontiguousarray(self.motors[:, self.TEMPERATURES : self.TEMPERATURES + 1]).view("<i2")
        moves = self.numbers[:, [self.Q, self.DQ, self.TAU]].astype(float)
        return MotorStates(moves, self.motors[:, self.ERRORS], temperatures)


class LowCmd(Message):
    """Command for the motors."""

    SIZE, FIRST, WIDTH, MODES = 250, 1, 7, 0
    Q, KP, KD = 0, 3, 4  # of a motor
    __idl__ = dds_.LowCmd_.__idl__

    @property
    def modes(self) -> np.ndarray:
        """Mode of the motors (35,), 1: enabled."""
        return np.append(self.words[self.FIRST - 1] >> 16, self.motors[:-1, -1]) & BYTE

    @modes.setter
    def modes(self, modes: np.ndarray) -> None:
        self.words[self.FIRST - 1] = self.words[self.FIRST - 1] & LOW | np.uint32(modes[0]) << 16
        self.motors[:-1, -1] = modes[1:]
