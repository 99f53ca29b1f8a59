"""Checks the commands of a driver, each against the previous one, in position, velocity and acceleration."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from random import Random

import numpy as np

from hand_drivers.device import Device, DeviceError, JointSample
from hand_drivers.guard import MotionLimits, MotionState
from hand_drivers.servo import LONG_GAP_S
from system_tests.fuzz.outcome import Wrong

TOLERANCE = 2e-9  # rad or m, twice the tolerance of the guard
RECENT = 4  # readings, from one of which a driver starts after a reset
BURST = 60  # periods without a response, longer than the device timeout
GAP_NS = round(0.9e9 * LONG_GAP_S)  # a driver sees the time of its period, which is before that of the command
NOTED = 5


class Watch:
    """Limits and period `dt` (s) of the commands that it is shown; `found` is what broke them.

    After a reset the driver may go on from what it measured, and after a gap from its last command, at rest. Which of
    them that was cannot be seen from outside: all that it may have been are followed up, and one of them has to explain
    what comes.

    Args:
        limits: The limits.
        dt: Period of the commands, s.
        clock: The time of the driver, ns.
    """

    def __init__(self, limits: MotionLimits, dt: float, clock: Callable[[], int]) -> None:
        self.found: list[str] = []
        self.written = 0
        self._limits, self._dt, self._clock = limits, dt, clock
        self._commanded_ns = clock()
        self._states: list[MotionState] = []  # possible states of the last command, usually one
        self._readings: deque[np.ndarray] = deque(maxlen=RECENT)
        self._permitted = 0  # commands that may start from a measured position
        self._peaks: tuple[float, ...] = (0.0, 0.0)

    def start(self, position: np.ndarray) -> None:
        """Account for a start of the driver at `position` (n,), at rest."""
        self._states = [MotionState.at_rest(position)]

    def permit(self, writes: int) -> None:
        """Account for a reset: the next commands, of a given number, may start from a measured position."""
        self._permitted = writes

    def reading(self, position: np.ndarray) -> None:
        """Account for a reading."""
        self._readings.append(position)

    def command(self, position: np.ndarray) -> None:
        """Check a command."""
        self.written += 1
        before, now_ns = list(self._states), self._clock()
        if now_ns - self._commanded_ns > GAP_NS:
            before += [MotionState.at_rest(state.position) for state in self._states]
        self._commanded_ns = now_ns
        if self._permitted > 0 or not before:
            before += [MotionState.at_rest(reading) for reading in tuple(self._readings)]
            self._permitted -= 1
        broken = [self._broken(state, position) for state in before]
        if all(broken):
            self.wrong(f"command {self.written}: {broken[0]}")
        good = [state for state, text in zip(before, broken, strict=True) if not text] or before[:1]
        velocities = {velocity.tobytes(): velocity for velocity in ((position - s.position) / self._dt for s in good)}
        self._note_peaks(good[0], position)
        self._states = [MotionState(np.array(position), velocity) for velocity in velocities.values()]

    def wrong(self, text: str) -> None:
        """Account for a failure."""
        if len(self.found) < NOTED:
            self.found.append(text)

    def settle(self) -> None:
        """Raise Wrong if there was a failure."""
        if self.found:
            raise Wrong("; ".join(self.found))

    def peaks(self) -> str:
        """Largest shares of the velocity and acceleration limits."""
        return "{:.0%} of velocity, {:.0%} of acceleration".format(*self._peaks)

    def _steps(self, state: MotionState, position: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Magnitudes of velocity and acceleration (n,) of a step to `position`."""
        velocity = (position - state.position) / self._dt
        return np.abs(velocity), np.abs(velocity - state.velocity) / self._dt

    def _broken(self, state: MotionState, position: np.ndarray) -> str:
        """Which limits a step to `position` breaks, "" if none."""
        limits, first = self._limits, TOLERANCE / self._dt
        velocity, acceleration = self._steps(state, position)
        beyond = {
            "position": np.maximum(limits.lower - position, position - limits.upper) - TOLERANCE,
            "velocity": velocity - limits.velocity - first,
            "acceleration": acceleration - limits.acceleration - 2 * first / self._dt,
        }
        # False for NaN
        return ", ".join(f"{what} {found.max():.3g} beyond" for what, found in beyond.items() if not (found <= 0).all())

    def _note_peaks(self, state: MotionState, position: np.ndarray) -> None:
        velocity, acceleration = self._steps(state, position)
        shares = velocity / self._limits.velocity, acceleration / self._limits.acceleration
        self._peaks = tuple(max(peak, float(share.max())) for peak, share in zip(self._peaks, shares, strict=True))


class Watched:
    """A device whose commands are checked, and which fails at times, once or for a while."""

    def __init__(self, device: Device, watch: Watch, rng: Random, silence: float) -> None:
        self.joints, self.last = device.joints, np.zeros(len(device.joints))
        self._device, self._watch, self._rng, self._silence = device, watch, rng, silence
        self._quiet = 0

    def connect(self) -> None:
        """Connect the device."""
        self._quiet = 0
        self._device.connect()

    def read(self) -> JointSample:
        """The measured state; at times an error."""
        begun = self._watch.written > 0  # without a device, a driver does not start
        if begun and not self._quiet and self._rng.random() < self._silence:
            self._quiet = BURST if self._rng.random() < 0.05 else 1
        if self._quiet:
            self._quiet -= 1
            raise DeviceError("no response")
        sample = self._device.read()
        self.last = sample.position
        self._watch.reading(sample.position)
        return sample

    def write(self, position: np.ndarray) -> None:
        """Check and forward a command."""
        self._watch.command(np.array(position))
        self._device.write(position)

    def stop(self) -> None:
        """Hold."""
        self._device.stop()

    def fault(self) -> str | None:
        """At times a fault."""
        return "hot" if self._rng.random() < self._silence / 50 else None

    def clear_fault(self) -> None:
        """Do nothing."""

    def disconnect(self) -> None:
        """Disconnect the device."""
        self._device.disconnect()
