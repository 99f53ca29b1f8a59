"""The motion guard, the last thing before the wire: position, velocity and acceleration limits of each joint.

Discrete-time exact. A command is a position per period ``dt``; its velocity is the difference to the one before over
``dt``, its acceleration the difference of velocities over ``dt``. A velocity is allowed only if, after it, braking at
the acceleration limit still ends before the position limit. So from any state reached through the guard, braking is
possible, and no sequence of targets can produce a command beyond a limit.

Velocity and acceleration limits may be lowered in motion. A joint that then is too fast decelerates at up to its
``braking`` limit until it is within the new ones.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from itertools import repeat
from math import copysign, isfinite, sqrt
from operator import sub

import numpy as np

_TOLERANCE = 1e-9  # rad or m: a command this close to its target was not limited
_MARGIN = 1e-12  # rad or m: room for the rounding of a whole braking, which must not end in a cut at the limit


class GuardStatus(str, enum.Enum):
    """``OK``: the target itself; ``LIMITED``: on the way to it; ``REFUSED``: no usable target, decelerating."""

    OK = "ok"
    LIMITED = "limited"
    REFUSED = "refused"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class MotionState:
    """A command: position (n,) in rad or m, and the velocity (n,) with which it was reached, per s."""

    position: np.ndarray
    velocity: np.ndarray

    @classmethod
    def at_rest(cls, position: np.ndarray) -> MotionState:
        """The state of a robot standing at ``position`` (n,)."""
        position = np.array(position, float)
        return cls(position, np.zeros_like(position))

    @property
    def moving(self) -> bool:
        """Whether any joint has velocity left."""
        return bool(self.velocity.any())


@dataclass(frozen=True)
class MotionLimits:
    """Limits (n,): position lower and upper, velocity and acceleration as positive magnitudes.

    ``braking`` is the deceleration to velocity and acceleration limits that were lowered in motion, no less than any of
    the acceleration limits meanwhile; without a value it is ``acceleration``.

    Raises ValueError when one is not finite, not of the same shape, or not in order.
    """

    lower: np.ndarray
    upper: np.ndarray
    velocity: np.ndarray
    acceleration: np.ndarray
    braking: np.ndarray = field(default=None)  # type: ignore[assignment] - set below

    def __post_init__(self) -> None:
        if self.braking is None:
            object.__setattr__(self, "braking", self.acceleration)
        arrays = (self.lower, self.upper, self.velocity, self.acceleration, self.braking)
        if any(array.shape != self.lower.shape or not np.isfinite(array).all() for array in arrays):
            raise ValueError("motion limits: expected finite arrays of one shape")
        if (self.lower > self.upper).any() or (self.velocity <= 0).any() or (self.acceleration <= 0).any():
            raise ValueError("motion limits: expected lower <= upper, velocity > 0, acceleration > 0")
        if (self.braking < self.acceleration).any():
            raise ValueError("motion limits: expected braking >= acceleration")

    @cached_property
    def columns(self) -> tuple[list[float], ...]:
        """Lower, upper, velocity, acceleration and braking of the joints as plain floats."""
        limits = (self.lower, self.upper, self.velocity, self.acceleration, self.braking)
        return tuple(limit.tolist() for limit in limits)


def guard(
    target: np.ndarray,
    state: MotionState,
    limits: MotionLimits,
    dt: float,
    target_velocity: np.ndarray | None = None,
) -> tuple[MotionState, GuardStatus]:
    """Return the next command towards ``target`` (n,) and what became of it.

    Each joint goes to its target as fast as its limits allow and brakes in time to land on it without overshoot. With
    ``target_velocity`` (n,), the speed at which the target itself moves, a moving target is followed without lag.

    ``dt`` is the period, the same in every call. A ``state`` outside the position limits may only move back inside;
    one too fast to stop before them is stopped at them, the position limit being the stronger.
    A target that is not finite or has another shape is refused: the joints brake, and hold.
    """
    lead = np.zeros_like(state.velocity) if target_velocity is None else target_velocity
    if not (_usable(target, state) and _usable(lead, state)):
        return brake(state, limits, dt), GuardStatus.REFUSED
    targets = target.tolist()
    reached = list(map(_next_position, targets, lead.tolist(), *_joints(state, limits, dt)))
    there = max(map(abs, map(sub, reached, targets)), default=0.0) <= _TOLERANCE
    return _command(reached, state, dt), GuardStatus.OK if there else GuardStatus.LIMITED


def brake(state: MotionState, limits: MotionLimits, dt: float) -> MotionState:
    """Return the next command of a stop: every joint decelerates at its limit, then holds."""
    return _command(list(map(_limited, repeat(0.0), *_joints(state, limits, dt))), state, dt)


def approach_velocity(distance: float, step: float, dt: float) -> float:
    """The greatest velocity over a ``distance`` of 0 or more from which braking by ``step`` a period ends on it.

    With w = velocity / step and n = floor(w), this period and the braking after it take
    step * dt * ((n + 1) * w - n * (n + 1) / 2); solved for w. It is piecewise linear and continuous, so a floor that
    rounding puts one too low or high gives the same velocity.
    """
    length = distance / (step * dt)
    whole = (sqrt(1.0 + 8.0 * length) - 1.0) * 0.5 // 1.0
    return step * (length / (whole + 1.0) + 0.5 * whole)


def _joints(state: MotionState, limits: MotionLimits, dt: float) -> tuple[Iterable[float], ...]:
    """Of all joints: positions, velocities, the limits, and the period.

    As plain floats: on as few joints as a robot has, arithmetic on arrays takes about twice as long.
    """
    return state.position.tolist(), state.velocity.tolist(), *limits.columns, repeat(dt)


def _next_position(
    target: float,
    lead: float,
    position: float,
    velocity: float,
    lower: float,
    upper: float,
    fastest: float,
    acceleration: float,
    braking: float,
    dt: float,
) -> float:
    """One joint's next position towards its target: at its approach velocity on top of the target's own."""
    lead = _clip(lead, -fastest, fastest)
    distance = _clip(target, lower, upper) - lead * dt - position
    wanted = lead + copysign(approach_velocity(abs(distance), acceleration * dt, dt), distance)
    return _limited(wanted, position, velocity, lower, upper, fastest, acceleration, braking, dt)


def _limited(
    wanted: float,
    position: float,
    velocity: float,
    lower: float,
    upper: float,
    fastest: float,
    acceleration: float,
    braking: float,
    dt: float,
) -> float:
    """One joint's next position at the ``wanted`` velocity, within all limits.

    Acceleration yields only to position, velocity to both. A joint outside its position limits has no room outwards,
    and is not thrown back inside either.
    """
    step = acceleration * dt
    room = (upper - position if wanted > 0.0 else position - lower) - _MARGIN
    most = fastest
    if abs(wanted) * (dt + 0.5 * abs(wanted) / acceleration) > room:  # more than a period and braking take
        most = min(fastest, approach_velocity(room, step, dt)) if room > 0.0 else 0.0
    lowest, highest = velocity - step, velocity + step
    if braking > acceleration:
        ahead = upper - position if velocity > 0.0 else position - lower
        slowed = _slowed(abs(velocity), ahead, fastest, acceleration, braking, dt)
        lowest, highest = (slowed, highest) if velocity > 0.0 else (lowest, -slowed)
    wanted = _clip(_clip(wanted, -most, most), lowest, highest)
    reached = position + wanted * dt
    return reached if lower <= reached <= upper else _clip(reached, min(lower, position), max(upper, position))


def _slowed(speed: float, room: float, fastest: float, acceleration: float, braking: float, dt: float) -> float:
    """The least speed after this period, negative for a reversal: `braking` counts until the speed is within limits."""
    step = acceleration * dt
    slowed = speed - step
    if slowed <= 0.0:
        return slowed
    most = min(fastest, approach_velocity(max(room - _MARGIN, 0.0), step, dt))
    return max(min(slowed, most), speed - braking * dt)


def _command(reached: list[float], state: MotionState, dt: float) -> MotionState:
    position = np.array(reached)
    return MotionState(position, (position - state.position) / dt)


def _usable(values: np.ndarray, state: MotionState) -> bool:
    return values.shape == state.position.shape and all(map(isfinite, values.tolist()))


def _clip(value: float, lowest: float, highest: float) -> float:
    return lowest if value < lowest else highest if value > highest else value
