"""A check of the commands that were sent, independent of the guard that keeps them within the limits."""

from __future__ import annotations

import numpy as np

from hand_drivers.guard import MotionLimits

_ROUNDING = 1e-6  # share of a limit: differences of positions carry the rounding of positions


class LimitMonitor:
    """Speed and acceleration of the positions commanded one after the other, as shares of their limits.

    `outside` counts commands beyond a limit. A start outside, such as a hand pressed beyond its range, does not count,
    but a command that moves farther out does. A joint that is faster than limits that were lowered may brake to them.
    """

    def __init__(self, limits: MotionLimits, dt: float) -> None:
        self._dt = dt
        self.outside = 0
        self._peaks = 0.0, 0.0
        self._adopt(limits)
        self.start(limits.lower)

    def start(self, position: np.ndarray) -> None:
        """Start at rest at `position` (n,)."""
        self._position, self._velocity = position.tolist(), [0.0] * position.size
        self._returning: set[int] = set()  # joints that may be faster than limits that were lowered
        self._lower = np.minimum(self._limits.lower, position).tolist()
        self._upper = np.maximum(self._limits.upper, position).tolist()

    def add(self, position: np.ndarray, limits: MotionLimits | None = None) -> None:
        """Take the next command, positions (n,), made within `limits`; None: those of the command before."""
        if limits is not None and limits is not self._limits:
            self._adopt(limits)
            self._returning = set(range(position.size))
        dt, positions, velocities = self._dt, position.tolist(), []
        speed, acceleration, beyond = 0.0, 0.0, False  # the largest shares of all joints
        before = (self._position, self._velocity, self._lower, self._upper, *self._allowed())
        for now, then, was, lower, upper, fastest, hardest in zip(positions, *before, strict=True):
            velocity = (now - then) / dt
            speed = max(speed, abs(velocity) / fastest)
            acceleration = max(acceleration, abs(velocity - was) / dt / hardest)
            beyond = beyond or not lower <= now <= upper  # false for NaN, too
            velocities.append(velocity)
        self.outside += beyond or max(speed, acceleration) > 1.0 + _ROUNDING
        self._peaks = max(self._peaks[0], speed), max(self._peaks[1], acceleration)
        if self._returning:
            self._returning = {joint for joint in self._returning if self._brakes(joint, velocities[joint])}
        self._position, self._velocity = positions, velocities

    def _adopt(self, limits: MotionLimits) -> None:
        self._limits = limits
        self._fastest, self._hardest, self._braking = limits.columns[2:]

    def _allowed(self) -> tuple[list[float], list[float]]:
        """The velocity and acceleration limits of the next command."""
        if not self._returning:
            return self._fastest, self._hardest
        fastest, hardest = list(self._fastest), list(self._hardest)
        for joint in self._returning:
            braked = abs(self._velocity[joint]) - self._braking[joint] * self._dt
            fastest[joint], hardest[joint] = max(fastest[joint], braked), self._braking[joint]
        return fastest, hardest

    def _brakes(self, joint: int, velocity: float) -> bool:
        """Whether a joint still decelerates harder than the limits in force allow."""
        before = self._velocity[joint]
        slowed = abs(before) - abs(velocity) if before * velocity >= 0.0 else 0.0
        return slowed / self._dt > self._hardest[joint] * (1.0 + _ROUNDING)

    def peaks(self) -> tuple[float, float]:
        """Largest shares of the velocity and the acceleration limit since the last call."""
        found, self._peaks = self._peaks, (0.0, 0.0)
        return found
