"""States of a driver, results of chunks, and counts."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class State(str, enum.Enum):
    """State of a driver."""

    INACTIVE = "inactive"  # not started: the device is not touched
    HOLDING = "holding"  # at rest, or braking to it; the next accepted chunk starts motion
    TRACKING = "tracking"  # follows a chunk
    STOPPED = "stopped"  # emergency stop or fault: braking, then at rest until reset
    LOST = "lost"  # the device does not answer; reset once it is back

    def __str__(self) -> str:
        return self.value


class ChunkStatus(str, enum.Enum):
    """Whether a chunk was accepted, or why it was refused."""

    ACCEPTED = "accepted"
    NOT_READY = "not_ready"  # the driver is inactive, stopped or lost
    WRONG_NAMES = "wrong_names"
    WRONG_SHAPE = "wrong_shape"
    NOT_FINITE = "not_finite"
    NOT_ASCENDING = "not_ascending"
    STALE = "stale"
    FROM_FUTURE = "from_future"
    SUPERSEDED = "superseded"  # older than the running one
    TWO_PUBLISHERS = "two_publishers"  # not from the only publisher of commands

    def __str__(self) -> str:
        return self.value


@dataclass
class Counts:
    """Events since the driver was made.

    Attributes:
        chunks, refused: chunks accepted and refused.
        limited: periods in which the guard kept a joint from its target.
        held: how often the command timeout ended a motion.
        missed: periods in which the device did not answer. lost: how often it was lost for that.
    """

    chunks: int = 0
    refused: int = 0
    limited: int = 0
    held: int = 0
    missed: int = 0
    lost: int = 0
