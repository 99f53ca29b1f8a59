"""The motion guard, the last thing before the wire: position, velocity and acceleration limits of each joint.

Discrete-time exact. A command is a position per period ``dt``; its velocity is the difference to the one before over
``dt``, its acceleration the difference of velocities over ``dt``. A velocity is allowed only if, after it, braking at
the acceleration limit still ends before the position limit. So from any state reached through the guard, braking is
possible, and no sequence of targets can produce a command beyond a limit.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

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

    Raises ValueError when one is not finite, not of the same shape, or not in order.
    """

    lower: np.ndarray
    upper: np.ndarray
    velocity: np.ndarray
    acceleration: np.ndarray

    def __post_init__(self) -> None:
        arrays = (self.lower, self.upper, self.velocity, self.acceleration)
        if any(array.shape != self.lower.shape or not np.isfinite(array).all() for array in arrays):
            raise ValueError("motion limits: expected finite arrays of one shape")
        if (self.lower > self.upper).any() or (self.velocity <= 0).any() or (self.acceleration <= 0).any():
            raise ValueError("motion limits: expected lower <= upper, velocity > 0, acceleration > 0")


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
    lead = _clip(lead, -limits.velocity, limits.velocity)
    distance = _clip(target, limits.lower, limits.upper) - lead * dt - state.position
    command = _limited(distance, lead, state, limits, dt)
    reached = (np.abs(command.position - target) <= _TOLERANCE).all()
    return command, GuardStatus.OK if reached else GuardStatus.LIMITED


def brake(state: MotionState, limits: MotionLimits, dt: float) -> MotionState:
    """Return the next command of a stop: every joint decelerates at its limit, then holds."""
    still = np.zeros_like(state.velocity)
    return _limited(still, still, state, limits, dt)


def approach_velocity(distance: np.ndarray, step: np.ndarray, dt: float) -> np.ndarray:
    """The greatest velocity (..., n) towards ``distance`` (..., n) from which braking by ``step`` a period ends on it.

    With w = velocity / step and n = floor(w), this period and the braking after it take
    step * dt * ((n + 1) * w - n * (n + 1) / 2); solved for w. It is piecewise linear and continuous, so a floor that
    rounding puts one too low or high gives the same velocity.
    """
    length = np.abs(distance) / (step * dt)
    whole = np.floor((np.sqrt(1.0 + 8.0 * length) - 1.0) * 0.5)
    return np.copysign(step * (length / (whole + 1.0) + 0.5 * whole), distance)


def _limited(
    distance: np.ndarray, lead: np.ndarray, state: MotionState, limits: MotionLimits, dt: float
) -> MotionState:
    """``distance`` at its approach velocity on top of ``lead``, within all limits.

    Acceleration yields only to position, velocity to both. A joint outside its position limits has no room outwards,
    and is not thrown back inside either.
    """
    position, velocity, step = state.position, state.velocity, limits.acceleration * dt
    above = np.maximum(limits.upper - position - _MARGIN, 0.0)
    below = np.maximum(position - limits.lower - _MARGIN, 0.0)
    nearing, rising, falling = approach_velocity(np.array((distance, above, below)), step, dt)
    fastest = limits.velocity
    wanted = _clip(lead + nearing, -np.minimum(falling, fastest), np.minimum(rising, fastest))
    wanted = _clip(wanted, velocity - step, velocity + step)
    lowest, highest = np.minimum(limits.lower, position), np.maximum(limits.upper, position)
    reached = _clip(position + wanted * dt, lowest, highest)
    return MotionState(reached, (reached - position) / dt)


def _usable(values: np.ndarray, state: MotionState) -> bool:
    return np.shape(values) == state.position.shape and bool(np.isfinite(values).all())


def _clip(values: np.ndarray, lowest: np.ndarray, highest: np.ndarray) -> np.ndarray:
    return np.minimum(np.maximum(values, lowest), highest)  # a third of the time of np.clip on few joints
