"""A check of the commands that were sent, independent of the guard that keeps them within the limits."""

from __future__ import annotations

import numpy as np

from hand_drivers.guard import MotionLimits

_ROUNDING = 1e-6  # share of a limit: differences of positions carry the rounding of positions


class LimitMonitor:
    """Speed and acceleration of the positions commanded one after the other, as shares of their limits.

    `outside` counts commands beyond a limit. A start outside, such as a hand pressed beyond its range, does not count,
    but a command that moves farther out does.
    """

    def __init__(self, limits: MotionLimits, dt: float) -> None:
        self._limits, self._dt = limits, dt
        self._fastest, self._hardest = limits.velocity.tolist(), limits.acceleration.tolist()
        self.outside = 0
        self._peaks = 0.0, 0.0
        self.start(limits.lower)

    def start(self, position: np.ndarray) -> None:
        """Start at rest at `position` (n,)."""
        self._position, self._velocity = position.tolist(), [0.0] * position.size
        self._lower = np.minimum(self._limits.lower, position).tolist()
        self._upper = np.maximum(self._limits.upper, position).tolist()

    def add(self, position: np.ndarray) -> None:
        """Take the next command, positions (n,)."""
        dt, positions, velocities = self._dt, position.tolist(), []
        speed, acceleration, beyond = 0.0, 0.0, False  # the largest shares of all joints
        before = (self._position, self._velocity, self._lower, self._upper, self._fastest, self._hardest)
        for now, then, was, lower, upper, fastest, hardest in zip(positions, *before, strict=True):
            velocity = (now - then) / dt
            speed = max(speed, abs(velocity) / fastest)
            acceleration = max(acceleration, abs(velocity - was) / dt / hardest)
            beyond = beyond or not lower <= now <= upper  # false for NaN, too
            velocities.append(velocity)
        self.outside += beyond or max(speed, acceleration) > 1.0 + _ROUNDING
        self._peaks = max(self._peaks[0], speed), max(self._peaks[1], acceleration)
        self._position, self._velocity = positions, velocities

    def peaks(self) -> tuple[float, float]:
        """Largest shares of the velocity and the acceleration limit since the last call."""
        found, self._peaks = self._peaks, (0.0, 0.0)
        return found
