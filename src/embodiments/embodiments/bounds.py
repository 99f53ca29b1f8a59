"""The widest limits that a robot's files may give a joint: a number beyond them is a mistake, not a limit.

The motion guard keeps every joint within the limits of its robot's files, so limits beyond what any such robot does
would switch it off. Each bound is above what arms and hands on the market reach, and below what a wrong unit gives
(180, a speed in degrees; 50, a travel in millimetres).
"""

from __future__ import annotations

from dataclasses import dataclass

MAX_OFFSET_M = 10.0  # from one joint, or link, to the next


@dataclass(frozen=True)
class Bounds:
    """Most of a joint: magnitude of a position, velocity, acceleration, in `unit` (rad or m) and s."""

    unit: str
    position: float
    velocity: float
    acceleration: float


_ARM = {"revolute": Bounds("rad", 12.6, 10.0, 100.0), "prismatic": Bounds("m", 3.0, 2.0, 20.0)}
_HAND = {"revolute": Bounds("rad", 6.3, 20.0, 500.0), "prismatic": Bounds("m", 1.0, 1.0, 20.0)}


def bounds_of(robot_kind: str, joint_kind: str) -> Bounds:
    """Return the bounds of a "revolute" or "prismatic" joint of an embodiment of some kind."""
    return (_ARM if robot_kind == "arm" else _HAND)[joint_kind]
