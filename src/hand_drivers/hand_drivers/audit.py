"""What was really commanded, counted apart from the guard that is to keep it within the limits."""

from __future__ import annotations

import numpy as np

from hand_drivers.guard import MotionLimits

_ROUNDING = 1e-6  # share of a limit: differences of positions carry the rounding of positions


class Audit:
    """Speed and acceleration of the positions commanded one after the other, as shares of their limits.

    `outside` counts commands beyond a limit. A position that starts outside, as a hand pressed beyond its range may
    be measured, counts from the first command on that moves it further out.
    """

    def __init__(self, limits: MotionLimits, dt: float) -> None:
        self._limits, self._dt = limits, dt
        self._lower, self._upper = limits.lower, limits.upper
        self._position, self._velocity = limits.lower, np.zeros_like(limits.lower)
        self.outside = 0
        self._peaks = np.zeros(2)

    def start(self, position: np.ndarray) -> None:
        """The robot was taken over standing at `position` (n,)."""
        self._position, self._velocity = position, np.zeros_like(position)
        self._lower, self._upper = np.minimum(self._limits.lower, position), np.maximum(self._limits.upper, position)

    def add(self, position: np.ndarray) -> None:
        """Take the next command, positions (n,)."""
        velocity = (position - self._position) / self._dt
        acceleration = (velocity - self._velocity) / self._dt
        shares = np.array(
            [
                np.abs(velocity / self._limits.velocity).max(),
                np.abs(acceleration / self._limits.acceleration).max(),
            ]
        )
        self._peaks = np.maximum(self._peaks, shares)
        beyond = bool((position < self._lower).any() or (position > self._upper).any())
        self.outside += beyond or not bool((shares <= 1.0 + _ROUNDING).all())
        self._position, self._velocity = position, velocity

    def peaks(self) -> tuple[float, float]:
        """Largest shares of the velocity and the acceleration limit since the last call."""
        found, self._peaks = self._peaks, np.zeros(2)
        return float(found[0]), float(found[1])
