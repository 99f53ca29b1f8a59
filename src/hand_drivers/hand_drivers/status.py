"""The words of a driver: its states, what becomes of a chunk, and its counts."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class State(str, enum.Enum):
    """What the driver does."""

    INACTIVE = "inactive"  # not started: the device is not touched
    HOLDING = "holding"  # stands where it is, or brakes to it; the next good chunk moves it
    TRACKING = "tracking"  # follows a chunk
    STOPPED = "stopped"  # emergency stop or fault: brakes, then stands until reset
    LOST = "lost"  # the device does not answer; reset once it is back

    def __str__(self) -> str:
        return self.value


class ChunkStatus(str, enum.Enum):
    """What became of a chunk."""

    ACCEPTED = "accepted"
    NOT_READY = "not_ready"  # the driver is inactive, stopped or lost
    WRONG_NAMES = "wrong_names"
    WRONG_SHAPE = "wrong_shape"
    NOT_FINITE = "not_finite"
    NOT_ASCENDING = "not_ascending"
    STALE = "stale"
    FROM_FUTURE = "from_future"
    SUPERSEDED = "superseded"  # older than the one being followed

    def __str__(self) -> str:
        return self.value


@dataclass
class Counts:
    """Events since the driver was made.

    Attributes:
        chunks, refused: chunks accepted and refused.
        limited: periods in which the guard held a joint back from its target.
        held: how often motion was held for want of a chunk.
        missed: periods in which the device did not answer. lost: how often it was lost for that.
    """

    chunks: int = 0
    refused: int = 0
    limited: int = 0
    held: int = 0
    missed: int = 0
    lost: int = 0
