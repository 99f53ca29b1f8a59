"""Feeds frames to one parser, and sees to it that it keeps its promises: no crash, no hang, no growth, no nonsense."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from system_tests.fuzz.frames import Frames, Seal, in_pieces
from system_tests.fuzz.outcome import ACCEPTED, HANG_S, Hang, Outcome, Wrong, bounded, describe

CONVERSATION = 64  # frames before a parser is made anew, so that a failure can be told in a few hundred bytes
SLOWEST_MS = 250.0  # processor time of one frame; a garbage collection may fall into it
KEPT = 16384  # bytes that a parser may keep


def _nothing() -> None:
    """The end of most conversations."""


@dataclass(frozen=True)
class Connection:
    """One parser at work. `feed` takes bytes and returns what became of them: "accepted" or why not, in a few words
    without figures. It raises Wrong when it finds a promise broken; whatever else it raises is a crash. `state` is
    what must not grow; `finish` looks back on a conversation and may raise Wrong, too.
    """

    feed: Callable[[bytes], str]
    state: Any = None
    finish: Callable[[], None] = _nothing


@dataclass(frozen=True)
class Target:
    """A parser: how to make a sound frame for it, how to seal a damaged one, and how to open a conversation.

    stream: frames may come in pieces. share: of the frames asked for, where each takes long.
    """

    name: str
    frame: Callable[[Random], bytes]
    connect: Callable[[], Connection]
    seal: Seal | None = None
    stream: bool = True
    share: float = 1.0


def fuzz(target: Target, frames: int, seed: int) -> Outcome:
    """Feed that many frames (times the target's share, one at least) to the target."""
    rng, outcome = Random(f"{seed} {target.name}"), Outcome(target.name)
    supply, wanted, began = Frames.of(rng, target.frame, target.seal), max(1, round(frames * target.share)), time.time()
    while outcome.frames < wanted:
        _converse(target, supply, min(CONVERSATION, wanted - outcome.frames), outcome)
    outcome.seconds = time.time() - began
    outcome.note = "" if target.share == 1.0 else f"1 of {round(1 / target.share)}"
    return outcome


def _converse(target: Target, supply: Frames, frames: int, outcome: Outcome) -> None:
    """One conversation; it ends early when a promise is broken."""
    told: list[bytes] = []
    try:
        with bounded(HANG_S):
            connection = target.connect()
            for _ in range(frames):
                data = supply.next()
                outcome.take(_feed(connection, in_pieces(supply.rng, data) if target.stream else [data], told, outcome))
            connection.finish()
            kept = kept_bytes(connection.state)
            if kept > KEPT:
                raise Wrong(f"keeps {kept} bytes")
    except (Exception, Hang) as error:
        outcome.frames += 1
        outcome.fail(f"{describe(error)} after {' '.join(piece.hex() or '-' for piece in told)}")


def _feed(connection: Connection, pieces: list[bytes], told: list[bytes], outcome: Outcome) -> str:
    found = ""
    for piece in pieces:
        told.append(piece)
        began = time.thread_time_ns()
        became = connection.feed(piece)
        took_ms = (time.thread_time_ns() - began) * 1e-6
        outcome.slowest_ms = max(outcome.slowest_ms, took_ms)
        if took_ms > SLOWEST_MS:
            raise Wrong(f"took {took_ms:.0f} ms")
        found = became if found != ACCEPTED else found
    return found


def kept_bytes(state: Any, depth: int = 3) -> int:
    """Bytes, texts and entries that an object keeps, those of the objects in it included."""
    if isinstance(state, (bytes, bytearray, str)):
        return len(state)
    if isinstance(state, dict):
        return 8 * len(state) + sum(kept_bytes(value, depth) for value in state.values())
    if isinstance(state, (list, tuple, set)):
        return 8 * len(state) + sum(kept_bytes(value, depth) for value in state)
    if depth and hasattr(state, "__dict__"):
        return sum(kept_bytes(value, depth - 1) for value in vars(state).values())
    return 8
