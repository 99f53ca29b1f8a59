"""Joints that follow their targets with a first-order lag."""

from __future__ import annotations

import time

import numpy as np


class Lag:
    """`position` follows `target`; both (n,), any unit. Advances to the present whenever it is read."""

    def __init__(self, position: np.ndarray, time_constant_s: float = 0.05) -> None:
        self.target = np.array(position, dtype=float)
        self.frozen = False
        self._position, self._time_constant_s, self._then = self.target.copy(), time_constant_s, time.monotonic()

    @property
    def position(self) -> np.ndarray:
        """Where the joints are now."""
        now = time.monotonic()
        if not self.frozen:
            share = 1 - np.exp(-(now - self._then) / self._time_constant_s)
            self._position += share * (self.target - self._position)
        self._then = now
        return self._position.copy()

    @property
    def velocity(self) -> np.ndarray:
        """How fast they are now, per second."""
        position = self.position
        return np.zeros_like(position) if self.frozen else (self.target - position) / self._time_constant_s
