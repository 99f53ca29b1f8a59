"""Random messages for the driver without ROS: all commands are within limits, and only a reset ends a stop."""

from __future__ import annotations

import time
from random import Random

import numpy as np

import embodiments
from embodiments import Embodiment
from hand_drivers.device import JointSample
from hand_drivers.driver import Driver
from hand_drivers.settings import DriverSettings, motion_limits
from hand_drivers.status import State
from node_kit import messages
from node_kit.messages import MessageStatus
from system_tests.fuzz import random_messages
from system_tests.fuzz.outcome import Outcome, repeat
from system_tests.fuzz.watch import Watch, Watched

RATE_HZ = 100.0
LATCHED = (State.STOPPED, State.LOST)
MOVABLE = (State.HOLDING, State.TRACKING)
SPREAD = 1.0  # rad around the home posture: often beyond the limits
AT_ONCE = 200


def fuzz_core(count: int, seed: int) -> Outcome:
    """Send messages and events to the driver without ROS, on a simulated clock: a seed determines all events."""
    outcome = Outcome("driver core")
    bench = _Bench(seed)
    repeat(outcome, count, lambda: bench.event(outcome), bench.watch.settle, AT_ONCE)
    conclude(outcome, bench.watch)
    return outcome


class _Bench:
    """A driver, its device, and the sources of its messages."""

    def __init__(self, seed: int) -> None:
        self._rng, self._clock = Random(f"{seed} driver core"), [10**18]
        self._robot = embodiments.load("xarm7", "left")
        limits = motion_limits(self._robot)
        self.watch = Watch(limits, 1.0 / RATE_HZ, lambda: self._clock[0])
        self._device = Watched(Lagging(self._robot, self._clock), self.watch, Random(f"{seed} device"), 0.02)
        self._driver = Driver(
            self._device, limits, DriverSettings(part="arm", rate_hz=RATE_HZ, max_following_error=0.0)
        )
        self._driver.start()
        self.watch.start(self._device.last)

    def event(self, outcome: Outcome) -> None:
        """Send a message, at times a stop, reset or reconnection, and run up to five periods of the loop."""
        driver, before, released = self._driver, self._driver.state, False
        kind = self._rng.random()
        if kind < 0.85:
            outcome.take(self._command())
        elif kind < 0.88:
            driver.estop(self._rng.random() < 0.3)
        elif kind < 0.89:
            driver.stop("stop requested")
        elif kind < 0.98:
            released = driver.reset()[0]
        else:
            released = driver.reconnect() and before is State.LOST
        if released:
            self.watch.start(self._device.last)
        for _ in range(self._rng.choice((0, 1, 1, 2, 5))):
            self._clock[0] += 10_000_000 if self._rng.random() < 0.99 else self._rng.randrange(2 * 10**9)
            driver.tick(self._clock[0])
        check_latch(before, driver.state, released, self.watch)

    def _command(self) -> str:
        """Handle a command as the node does; returns its status."""
        robot = self._robot
        message = random_messages.trajectory(self._rng, robot.joints, robot.postures["home"], SPREAD)
        chunk, status = messages.read_chunk(message, robot.joints)
        if status is not MessageStatus.OK:
            return str(status)
        return str(self._driver.accept_chunk(chunk, self._clock[0], time.time_ns()))


def check_latch(before: State, after: State, released: bool, watch: Watch) -> None:
    """Check that a latched state was left only by a reset."""
    if before in LATCHED and after in MOVABLE and not released:
        watch.wrong(f"went from {before} to {after} without a reset")


def conclude(outcome: Outcome, watch: Watch) -> None:
    """Complete the result with the figures of the check."""
    if not watch.written:
        outcome.fail("nothing was written")
    outcome.note = f"{watch.written:,} commands checked, peaks {watch.peaks()}"


class Lagging:
    """Joints on a given clock (ns), which cover a third of the distance to their target at every reading."""

    def __init__(self, robot: Embodiment, clock: list[int]) -> None:
        self.joints, self._clock = robot.joints, clock
        self._position = np.array(robot.postures["home"], dtype=float)
        self._target = self._position.copy()

    def connect(self) -> None:
        """Connect the device."""

    def read(self) -> JointSample:
        """The measured state."""
        self._position = self._position + (self._target - self._position) / 3
        still = np.zeros_like(self._position)
        return JointSample(self._clock[0], self._position.copy(), still, still)

    def write(self, position: np.ndarray) -> None:
        """Set the targets."""
        self._target = np.array(position)

    def stop(self) -> None:
        """Hold."""
        self._target = self._position.copy()

    def fault(self) -> None:
        """None."""

    def clear_fault(self) -> None:
        """Do nothing."""

    def disconnect(self) -> None:
        """Disconnect the device."""
