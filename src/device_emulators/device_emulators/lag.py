"""The joints of an emulated device: the interface, and joints with a first-order lag."""

from __future__ import annotations

import time
from typing import Protocol

import numpy as np


class JointsError(RuntimeError):
    """The joints are not available; the device sends no response then."""


class Joints(Protocol):
    """Joints (n,) in the unit and order of an emulated device; frozen ones do not move.

    Called from several threads. All members but `frozen` may raise JointsError.
    """

    target: np.ndarray

    @property
    def frozen(self) -> bool:
        """Whether the joints are kept from moving."""
        ...

    @frozen.setter
    def frozen(self, frozen: bool) -> None: ...

    @property
    def position(self) -> np.ndarray:
        """Present positions (n,)."""
        ...

    @property
    def velocity(self) -> np.ndarray:
        """Present velocities (n,), per second."""
        ...

    def move(self, target: np.ndarray) -> None:
        """Set the target (n,)."""


class Lag:
    """Joints that follow their targets with a first-order lag; they are advanced to the present at each access."""

    frozen: bool

    def __init__(self, position: np.ndarray, time_constant_s: float = 0.05) -> None:
        self.target = np.array(position, dtype=float)
        self.frozen = False
        self._position, self._time_constant_s, self._then = self.target.copy(), time_constant_s, time.monotonic()

    @property
    def position(self) -> np.ndarray:
        """Present positions (n,)."""
        now = time.monotonic()
        if not self.frozen:
            share = 1 - np.exp(-(now - self._then) / self._time_constant_s)
            self._position += share * (self.target - self._position)
        self._then = now
        return self._position.copy()

    @property
    def velocity(self) -> np.ndarray:
        """Present velocities (n,), per second."""
        position = self.position
        return np.zeros_like(position) if self.frozen else (self.target - position) / self._time_constant_s

    def move(self, target: np.ndarray) -> None:
        """Advance to the present, and set the target (n,)."""
        self._position = self.position
        self.target = np.array(target, dtype=float)
