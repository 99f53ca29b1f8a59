"""All targets of frames, and those of the Ability hand, of bags and of the faults of emulators."""

from __future__ import annotations

import re
import struct
from random import Random

import numpy as np

from device_emulators.faults import Faults
from episodes import messages as bags
from episodes.bag import Record
from episodes.metadata import EpisodeError
from hand_drivers.devices import ability_frames as ability
from system_tests.fuzz import arm_parsers, hand_parsers, world_parsers
from system_tests.fuzz.outcome import ACCEPTED, Wrong
from system_tests.fuzz.parsing import Connection, Target

BAGGED = (bags.IMAGE, bags.JOINT_STATE, bags.TRAJECTORY)
REFUSED = "refused"


def targets() -> list[Target]:
    """All targets of frames."""
    own = [
        Target("ability replies", ability_reply, ability_replies, hand_parsers.ability_sealed),
        Target("bag messages", bag_message, bag_messages, stream=False),
        Target("faults typed to an emulator", typed, typed_faults, stream=False),
    ]
    return own + world_parsers.targets() + hand_parsers.targets() + arm_parsers.targets()


# --- Ability ----------------------------------------------------------------------------------------------------------


def ability_reply(rng: Random) -> bytes:
    """A reply, mostly a valid one."""
    words = [rng.choice((0x7D7D, 0x7E7E, 0x7D7E)) if rng.random() < 0.1 else rng.randrange(0x10000) for _ in range(18)]
    packed = struct.pack("<18H", *words)
    if rng.random() < 0.05:
        return ability.stuffed(rng.randbytes(rng.randint(ability.LONGEST - 3, ability.LONGEST + 60)))
    return ability.stuffed(bytes([rng.choice((0x12, 0x22, 0xA2))]) + packed + bytes([rng.choice((0, 0, 1))]))


def ability_replies() -> Connection:
    """A connection to the parser of replies."""
    unstuffer, received, found = ability.Unstuffer(), bytearray(), []

    def feed(data: bytes) -> str:
        received.extend(data)
        bodies = unstuffer.feed(data)
        found.extend(bodies)
        replies = [check_reply(body) for body in bodies]
        return ACCEPTED if any(replies) else ("another frame" if bodies else "no frame")

    def finish() -> None:
        if found != expected_bodies(bytes(received)):
            raise Wrong(f"found {[body.hex() for body in found]}")

    return Connection(feed, unstuffer, finish)


def check_reply(body: bytes) -> bool:
    """Check a reply; returns whether the body is one."""
    reply = ability.reply(body)
    if reply is None:
        return False
    position, current, velocity = (
        np.rint(values * scale).astype(int)
        for values, scale in (
            (reply.position, ability.PER_RAD),
            (reply.current, ability.PER_AMPERE),
            (reply.velocity, 1 / ability.RAD_PER_S),
        )
    )
    pairs = np.stack([position, current], axis=1).ravel()
    if ability.REPLY.pack(body[0], *pairs, *velocity, reply.status) != body:
        raise Wrong(f"read {reply} in {body.hex()}")
    return True


def expected_bodies(stream: bytes) -> list[bytes]:
    """Another implementation of the rules: between flags, without escapes, not too long, sum zero."""
    found = []
    for part in stream.split(b"\x7e")[:-1]:
        body = re.sub(rb"(?s)\x7d+(.)", lambda match: bytes([match[1][0] ^ 0x20]), part)
        whole = not re.search(rb"\x7d+\Z", part) and 1 < len(body) <= ability.LONGEST
        if whole and sum(body) & 0xFF == 0:
            found.append(body[:-1])
    return found


# --- bags and words ---------------------------------------------------------------------------------------------------


def bag_message(rng: Random) -> bytes:
    """A message in CDR, after a byte for its type."""
    kind = rng.randrange(len(BAGGED))
    stamp, names = rng.randrange(10**18), ("a", "b", "c")
    message = (
        lambda: bags.image(stamp, np.zeros((4, 5, 3), np.uint8)),
        lambda: bags.joint_state(stamp, names, np.ones(3), np.zeros(3)),
        lambda: bags.trajectory(stamp, names, (0.1, 0.2), np.ones((2, 3))),
    )[kind]()
    return bytes([kind]) + bytes(bags.typestore().serialize_cdr(message, BAGGED[kind]))


def bag_messages() -> Connection:
    """A connection to the reader of bag messages."""

    def feed(data: bytes) -> str:
        kind, raw = BAGGED[(data or b"\0")[0] % len(BAGGED)], data[1:]
        try:
            bags.header_stamp_ns(raw)
            message = Record("/topic", kind, 0, raw).decode()
            if kind == bags.IMAGE and bags.image_array(message).dtype != np.uint8:
                raise Wrong("an image of another type")
            if kind == bags.TRAJECTORY:
                bags.read_chunk(message)
        except EpisodeError:
            return REFUSED
        return ACCEPTED

    return Connection(feed)


def typed(rng: Random) -> bytes:
    """A fault as text."""
    number = rng.choice(("1", "0", "0.2", "nan", "inf", "-inf", "-1", "1e400", "1e9", "7", "65536", "", "x"))
    return f"{rng.choice(('silent', 'cut', 'late_s', 'code', 'corrupt', 'any', 'set'))} {number}\n".encode()


def typed_faults() -> Connection:
    """A connection to the parser of faults."""
    faults = Faults()

    def feed(data: bytes) -> str:
        wrong = faults.set(data.decode(errors="replace"))
        if not 0 <= faults.late_s <= 60 or not 0 <= faults.code <= 0xFFFF:
            raise Wrong(f"took {faults}")
        return REFUSED if wrong else ACCEPTED

    return Connection(feed, faults)
