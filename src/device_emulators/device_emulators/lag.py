"""What moves behind an emulated wire, and its simplest kind: joints that follow their targets with a lag."""

from __future__ import annotations

import time
from typing import Protocol

import numpy as np


class JointsError(RuntimeError):
    """The joints do not answer; neither does the device then."""


class Joints(Protocol):
    """Joints (n,) in the unit and order of an emulated device. Frozen, they stay where they are and say so.

    Called from several threads. All but `frozen` may raise JointsError.
    """

    frozen: bool
    target: np.ndarray

    @property
    def position(self) -> np.ndarray:
        """Where they are now."""

    @property
    def velocity(self) -> np.ndarray:
        """How fast they are now, per second."""

    def move(self, target: np.ndarray) -> None:
        """Follow another target from now on."""


class Lag:
    """Joints with a first-order lag, that advance to the present whenever they are asked."""

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
        """How fast they are now."""
        position = self.position
        return np.zeros_like(position) if self.frozen else (self.target - position) / self._time_constant_s

    def move(self, target: np.ndarray) -> None:
        """Follow the old target up to now and another from now on."""
        self._position = self.position
        self.target = np.array(target, dtype=float)
