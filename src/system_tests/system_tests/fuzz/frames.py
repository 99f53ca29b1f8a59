"""Frames with all kinds of transport damage."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from random import Random

SEEDS = 256  # valid frames, from which the damaged ones are made
EDGES = (0x00, 0x01, 0x7F, 0x80, 0xFE, 0xFF)  # of a length, a count or a sign
SOUND = 0.15  # share of unchanged frames, with which a connection makes progress
RESEALED = 0.5  # share of damaged frames with a correct checksum, so that the parser behind it is reached

Seal = Callable[[bytes], bytes]


@dataclass(frozen=True)
class Frames:
    """A generator of frames; `seal` sets the checksum of a damaged frame, None if there is none."""

    rng: Random
    seeds: tuple[bytes, ...]
    seal: Seal | None = None

    @classmethod
    def of(cls, rng: Random, make: Callable[[Random], bytes], seal: Seal | None = None) -> Frames:
        """Frames from the valid ones of `make`."""
        return cls(rng, tuple(make(rng) for _ in range(SEEDS)), seal)

    def next(self) -> bytes:
        """A frame, mostly a damaged one."""
        rng = self.rng
        frame = rng.choice(self.seeds)
        return frame if rng.random() < SOUND else self.damaged(frame)

    def damaged(self, frame: bytes) -> bytes:
        """The frame after one kind of damage, half of the time with a correct checksum."""
        rng = self.rng
        frame = rng.choice(DAMAGES)(rng, frame, rng.choice(self.seeds))
        return self.seal(frame) if self.seal is not None and rng.random() < RESEALED else frame


def in_pieces(rng: Random, data: bytes) -> list[bytes]:
    """The data as a stream delivers it: whole, in two or three pieces, or byte by byte."""
    kind = rng.random()
    if kind < 0.6 or len(data) < 2:
        return [data]
    if kind < 0.63:
        return [data[i : i + 1] for i in range(len(data))]
    cuts = sorted({0, len(data), rng.randrange(len(data)), rng.randrange(len(data))})
    return [data[a:b] for a, b in pairwise(cuts)]


def noise(rng: Random, _frame: bytes, _other: bytes) -> bytes:
    """Random bytes."""
    return rng.randbytes(rng.randrange(64))


def flipped(rng: Random, frame: bytes, _other: bytes) -> bytes:
    """A few bits flipped."""
    found = bytearray(frame)
    for _ in range(rng.randint(1, 4)):
        if found:
            found[rng.randrange(len(found))] ^= 1 << rng.randrange(8)
    return bytes(found)


def truncated(rng: Random, frame: bytes, _other: bytes) -> bytes:
    """The beginning, or the end."""
    cut = rng.randint(0, len(frame))
    return frame[:cut] if rng.random() < 0.7 else frame[cut:]


def duplicated(rng: Random, frame: bytes, _other: bytes) -> bytes:
    """The frame or a part of it twice."""
    begin = rng.randint(0, len(frame))
    end = rng.randint(begin, len(frame))
    return frame + frame if rng.random() < 0.5 else frame[:end] + frame[begin:]


def spliced(rng: Random, frame: bytes, other: bytes) -> bytes:
    """The start of one frame, the end of another."""
    return frame[: rng.randint(0, len(frame))] + other[rng.randint(0, len(other)) :]


def edged(rng: Random, frame: bytes, _other: bytes) -> bytes:
    """One or two bytes at the limits of their range, for wrong lengths, counts and numbers."""
    found = bytearray(frame)
    for _ in range(rng.randint(1, 2)):
        if found:
            found[rng.randrange(len(found))] = rng.choice(EDGES)
    return bytes(found)


def overwritten(rng: Random, frame: bytes, _other: bytes) -> bytes:
    """A run of random bytes, or of one byte repeated."""
    begin = rng.randint(0, len(frame))
    size = rng.randint(1, 9)
    run = rng.randbytes(size) if rng.random() < 0.5 else bytes([rng.choice(EDGES)]) * size
    return frame[:begin] + run + frame[begin + size :]


def inserted(rng: Random, frame: bytes, _other: bytes) -> bytes:
    """Additional bytes at any place."""
    place = rng.randint(0, len(frame))
    return frame[:place] + rng.randbytes(rng.randint(1, 16)) + frame[place:]


DAMAGES = (noise, flipped, flipped, truncated, duplicated, spliced, edged, edged, overwritten, inserted)
