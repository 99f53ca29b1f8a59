"""Feeds frames to one parser and checks its requirements: no crash, no hang, no growth, no invalid values."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from system_tests.fuzz.frames import Frames, Seal, in_pieces
from system_tests.fuzz.outcome import ACCEPTED, HANG_S, Hang, Outcome, Wrong, bounded, describe

CONVERSATION = 64  # frames per connection, so that a failure can be reproduced with a few hundred bytes
SLOWEST_MS = 250.0  # CPU time of one frame, with a garbage collection
KEPT = 16384  # bytes that a parser may hold


def _nothing() -> None:
    """Do nothing at the end of a connection."""


@dataclass(frozen=True)
class Connection:
    """A connection to a parser.

    Attributes:
        feed: Takes bytes and returns "accepted" or the reason of a refusal, without figures. It raises Wrong if a
            requirement does not hold; any other exception is a crash.
        state: The object that must not grow.
        finish: Checks at the end of the connection; may raise Wrong.
    """

    feed: Callable[[bytes], str]
    state: Any = None
    finish: Callable[[], None] = _nothing


@dataclass(frozen=True)
class Target:
    """A parser to be tested.

    Attributes:
        name: Name of the target.
        frame: Makes a valid frame.
        connect: Opens a connection.
        seal: Sets the checksum of a damaged frame.
        stream: Whether frames may arrive in pieces.
        share: Share of the frames, less than 1 if each takes long.
    """

    name: str
    frame: Callable[[Random], bytes]
    connect: Callable[[], Connection]
    seal: Seal | None = None
    stream: bool = True
    share: float = 1.0


def fuzz(target: Target, frames: int, seed: int) -> Outcome:
    """Feed frames to the target, `count` times its share, at least one."""
    rng, outcome = Random(f"{seed} {target.name}"), Outcome(target.name)
    supply, wanted = Frames.of(rng, target.frame, target.seal), max(1, round(frames * target.share))
    while outcome.frames < wanted:
        _converse(target, supply, min(CONVERSATION, wanted - outcome.frames), outcome)
    outcome.note = "" if target.share == 1.0 else f"1 of {round(1 / target.share)}"
    return outcome


def _converse(target: Target, supply: Frames, frames: int, outcome: Outcome) -> None:
    """Run one connection; it ends at the first failure."""
    sent: list[bytes] = []
    try:
        with bounded(HANG_S):
            connection = target.connect()
            for _ in range(frames):
                data = supply.next()
                outcome.take(_feed(connection, in_pieces(supply.rng, data) if target.stream else [data], sent, outcome))
            connection.finish()
            kept = kept_bytes(connection.state)
            if kept > KEPT:
                raise Wrong(f"keeps {kept} bytes")
    except (Exception, Hang) as error:
        outcome.frames += 1
        outcome.fail(f"{describe(error)} after {' '.join(piece.hex() or '-' for piece in sent)}")


def _feed(connection: Connection, pieces: list[bytes], sent: list[bytes], outcome: Outcome) -> str:
    found = ""
    for piece in pieces:
        sent.append(piece)
        began = time.thread_time_ns()
        became = connection.feed(piece)
        took_ms = (time.thread_time_ns() - began) * 1e-6
        outcome.slowest_ms = max(outcome.slowest_ms, took_ms)
        if took_ms > SLOWEST_MS:
            raise Wrong(f"took {took_ms:.0f} ms")
        found = became if found != ACCEPTED else found
    return found


def kept_bytes(state: Any, depth: int = 3) -> int:
    """Number of bytes, characters and entries in an object, including those of contained objects."""
    if isinstance(state, (bytes, bytearray, str)):
        return len(state)
    if isinstance(state, dict):
        return 8 * len(state) + sum(kept_bytes(value, depth) for value in state.values())
    if isinstance(state, (list, tuple, set)):
        return 8 * len(state) + sum(kept_bytes(value, depth) for value in state)
    if depth and hasattr(state, "__dict__"):
        return sum(kept_bytes(value, depth - 1) for value in vars(state).values())
    return 8
