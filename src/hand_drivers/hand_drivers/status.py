"""The words of a driver: its states, what becomes of a chunk, its settings and its counts."""

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


@dataclass(frozen=True)
class DriverSettings:
    """Rate in Hz, times in s.

    Attributes:
        command_timeout_s: a chunk is followed until its observation is this old; then the robot brakes and holds. One
            that comes later is refused.
        device_timeout_s: a device that has not answered for this long is lost; a shorter silence is bridged.
        max_behind: a joint measured so far from its command (rad or m), or half as far for .5 s, and not on its way
            there does not follow it, which is a fault; 0: never.
        blend_s: how long a motion that starts from rest takes to come up to its chunk.
    """

    rate_hz: float = 100.0
    command_timeout_s: float = 0.2
    device_timeout_s: float = 0.1
    max_behind: float = 0.0
    blend_s: float = 0.2


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
