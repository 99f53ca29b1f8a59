"""Frames damaged in every way a wire can damage them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

SEEDS = 256  # sound frames that the damaged ones are made of
EDGES = (0x00, 0x01, 0x7F, 0x80, 0xFE, 0xFF)  # of a length, a count or a sign
SOUND = 0.15  # share of frames left as they are: they keep a conversation going
RESEALED = 0.5  # share of the damaged ones that get a right checksum, so that what lies behind it is reached

Seal = Callable[[bytes], bytes]


@dataclass(frozen=True)
class Frames:
    """An endless supply; `seal` gives a damaged frame the right checksum, None where the wire has none."""

    rng: Random
    seeds: tuple[bytes, ...]
    seal: Seal | None = None

    @classmethod
    def of(cls, rng: Random, make: Callable[[Random], bytes], seal: Seal | None = None) -> Frames:
        """Frames made of what `make` gives."""
        return cls(rng, tuple(make(rng) for _ in range(SEEDS)), seal)

    def next(self) -> bytes:
        """A sound frame now and then, else one that is not, or not quite."""
        rng = self.rng
        frame = rng.choice(self.seeds)
        return frame if rng.random() < SOUND else self.damaged(frame)

    def damaged(self, frame: bytes) -> bytes:
        """`frame` after one kind of damage, half of the time with a right checksum over it."""
        rng = self.rng
        frame = rng.choice(DAMAGES)(rng, frame, rng.choice(self.seeds))
        return self.seal(frame) if self.seal is not None and rng.random() < RESEALED else frame


def in_pieces(rng: Random, data: bytes) -> list[bytes]:
    """`data` as a stream delivers it: whole, in two or three pieces, or byte by byte."""
    kind = rng.random()
    if kind < 0.6 or len(data) < 2:
        return [data]
    if kind < 0.63:
        return [data[i : i + 1] for i in range(len(data))]
    cuts = sorted({0, len(data), rng.randrange(len(data)), rng.randrange(len(data))})
    return [data[a:b] for a, b in zip(cuts, cuts[1:], strict=False)]


def noise(rng: Random, _frame: bytes, _other: bytes) -> bytes:
    """Random bytes."""
    return rng.randbytes(rng.randrange(64))


def flipped(rng: Random, frame: bytes, _other: bytes) -> bytes:
    """A few bits the other way round."""
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
    """Twice, or a part of it twice."""
    begin = rng.randint(0, len(frame))
    end = rng.randint(begin, len(frame))
    return frame + frame if rng.random() < 0.5 else frame[:end] + frame[begin:]


def spliced(rng: Random, frame: bytes, other: bytes) -> bytes:
    """The beginning of one, the end of another."""
    return frame[: rng.randint(0, len(frame))] + other[rng.randint(0, len(other)) :]


def edged(rng: Random, frame: bytes, _other: bytes) -> bytes:
    """Bytes at the edge of their range, in one place or two: lengths, counts and numbers that are wrong."""
    found = bytearray(frame)
    for _ in range(rng.randint(1, 2)):
        if found:
            found[rng.randrange(len(found))] = rng.choice(EDGES)
    return bytes(found)


def overwritten(rng: Random, frame: bytes, _other: bytes) -> bytes:
    """A run of random bytes, or of one byte over and over."""
    begin = rng.randint(0, len(frame))
    size = rng.randint(1, 9)
    run = rng.randbytes(size) if rng.random() < 0.5 else bytes([rng.choice(EDGES)]) * size
    return frame[:begin] + run + frame[begin + size :]


def inserted(rng: Random, frame: bytes, _other: bytes) -> bytes:
    """More bytes than there should be, anywhere."""
    place = rng.randint(0, len(frame))
    return frame[:place] + rng.randbytes(rng.randint(1, 16)) + frame[place:]


DAMAGES = (noise, flipped, flipped, truncated, duplicated, spliced, edged, edged, overwritten, inserted)
