"""The emulated hands' parsers of requests: whatever comes, they answer in whole frames or not at all, and live on.

An answer is checked here by the wire's own rules, written once more, and what moves stays where a device can be.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from random import Random

import numpy as np

from device_emulators import inspire
from device_emulators.ability import AbilityHand
from device_emulators.faults import Faults
from device_emulators.lag import Joints, Lag
from device_emulators.serve import Protocol
from hand_drivers.devices import ability_frames
from system_tests.fuzz.outcome import ACCEPTED, Wrong
from system_tests.fuzz.parsing import Connection, Target

SILENT = "no response"


def targets() -> list[Target]:
    """Ability and Inspire hands."""
    return [
        Target("ability emulator", ability_request, ability, ability_sealed),
        Target("inspire emulator, serial", inspire_request, inspire_serial, inspire_sealed),
        Target("inspire emulator, Modbus TCP", modbus_request, inspire_modbus, modbus_sealed),
    ]


def conversation(
    protocol: Protocol, joints: Joints, span: tuple[float, float], check: Callable[[bytes], None]
) -> Connection:
    """A connection to an emulator; checks that the targets stay in `span`, and the responses with `check`."""

    def feed(data: bytes) -> str:
        answer = protocol.receive(data)
        if not answer:
            return SILENT
        check(answer)
        if not ((joints.target >= span[0]) & (joints.target <= span[1])).all():
            raise Wrong(f"moves to {joints.target.tolist()}, expected {span[0]:.4g} to {span[1]:.4g}")
        return ACCEPTED

    return Connection(feed, protocol)


# --- Ability ----------------------------------------------------------------------------------------------------------


def ability() -> Connection:
    """A connection to an Ability hand."""
    hand, furthest = AbilityHand(Faults()), 32768 / ability_frames.PER_RAD
    return conversation(hand, hand.joints, (-furthest, furthest), check_ability)


def check_ability(answer: bytes) -> None:
    """Check the responses."""
    bodies = ability_frames.Unstuffer().feed(answer)
    if not bodies or any(ability_frames.reply(body) is None for body in bodies):
        raise Wrong(f"answers {answer.hex()}")


def ability_request(rng: Random) -> bytes:
    """A valid request."""
    if rng.random() < 0.2:
        return ability_frames.command(None)
    words = struct.unpack("<6h", rng.randbytes(12))
    return ability_frames.stuffed(struct.pack("<BB6h", ability_frames.ADDRESS, ability_frames.POSITION, *words))


def ability_sealed(data: bytes) -> bytes:
    """Set the checksum."""
    return ability_frames.stuffed(data.strip(b"\x7e")[:-1])


# --- Inspire ----------------------------------------------------------------------------------------------------------

_ADDRESSES = (inspire.ANGLE_SET, inspire.ANGLE_ACT, inspire.FORCE_SET, inspire.ERROR, inspire.CLEAR_ERROR, 0, 1999)


def inspire_serial() -> Connection:
    """A connection to an Inspire hand, serial."""
    fingers = Lag(np.full(inspire.FINGERS, 1000.0))
    protocol = inspire.SerialProtocol(inspire.InspireHand(Faults(), fingers))
    return conversation(protocol, fingers, (0, inspire.OPEN), check_inspire)


def check_inspire(answer: bytes) -> None:
    """Check the responses."""
    while answer:
        size = answer[3] + 5 if len(answer) > 4 else 0
        if answer[:2] != b"\x90\xeb" or len(answer) < size or sum(answer[2 : size - 1]) & 0xFF != answer[size - 1]:
            raise Wrong(f"answers {answer.hex()}")
        answer = answer[size:]


def inspire_request(rng: Random) -> bytes:
    """A valid request."""
    address = rng.choice(_ADDRESSES) if rng.random() < 0.8 else rng.randrange(0x10000)
    if rng.random() < 0.5:
        command, data = 0x11, bytes([rng.choice((1, 6, 12, 12, 12, 255))])
    else:
        command, data = 0x12, struct.pack("<6H", *(rng.randrange(1200) for _ in range(6)))[: rng.choice((1, 2, 12, 12))]
    return inspire_sealed(struct.pack("<BBBBBH", 0xEB, 0x90, 1, len(data) + 3, command, address) + data + b"\0")


def inspire_sealed(data: bytes) -> bytes:
    """Set the checksum."""
    return data[:-1] + bytes([sum(data[2:-1]) & 0xFF])


def inspire_modbus() -> Connection:
    """A connection to an Inspire hand, Modbus TCP."""
    fingers = Lag(np.full(inspire.FINGERS, 1000.0))
    protocol = inspire.ModbusProtocol(inspire.InspireHand(Faults(), fingers))
    return conversation(protocol, fingers, (0, inspire.OPEN), check_modbus)


def check_modbus(answer: bytes) -> None:
    """Check the responses."""
    while answer:
        _, protocol, length = struct.unpack_from(">HHH", answer)
        body = answer[7 : 6 + length]
        wrong = protocol or not 3 <= length <= 254 or len(answer) < 6 + length
        if wrong or (body[0] < 0x80 and body[0] == 3 and len(body) != 2 + body[1]):
            raise Wrong(f"answers {answer.hex()}")
        answer = answer[6 + length :]


def modbus_request(rng: Random) -> bytes:
    """A valid request."""
    address = rng.choice(_ADDRESSES) if rng.random() < 0.8 else rng.randrange(0x10000)
    words = [rng.randrange(1200) for _ in range(rng.choice((1, 3, 6)))]
    body = struct.pack(">BHH", 3, address, rng.choice((1, 3, 6, 125, 126)))
    if rng.random() < 0.5:
        body = struct.pack(f">BHHB{len(words)}H", 16, address, len(words), 2 * len(words), *words)
    return struct.pack(">HHHB", rng.randrange(0x10000), 0, len(body) + 1, 1) + body


def modbus_sealed(data: bytes) -> bytes:
    """Set the length; there is no checksum."""
    return data[:4] + struct.pack(">H", max(len(data) - 6, 0) & 0xFFFF) + data[6:]
