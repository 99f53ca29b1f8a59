"""The connection to a Unitree G1 that both its arms share: one message with one weight commands both.

A process has one `Robot` for a network interface, the only sender of `rt/arm_sdk`; see docs/reference/devices/g1.md.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence

import numpy as np
from pydantic import Field

from hand_drivers.device import DeviceError, Options, targets_to_hold
from hand_drivers.devices import g1_dds
from hand_drivers.devices.g1_receiver import Measurement, Receiver
from hand_drivers.devices.g1_wire import COMMAND, Wire
from hand_drivers.servo import sleep_until
from node_kit.scheduling import precise_timers

PERIOD_NS = 4_000_000
SLACK_S = 1.0  # extra time to take over the arms
LISTEN_S = 0.3  # time without commands after which there is no other program
LEAD = 0.05  # time of weight 0 before and after the ramp, as a share of the ramp
POLL_S = 0.002


class G1Options(Options):
    """Options of a G1's arms, the same for both."""

    domain: int = g1_dds.DOMAIN
    kp: float = Field(
        default=60.0,
        gt=0,
        le=100,
        description="stiffness of arms and waist, Nm/rad; Unitree's teleoperation uses 80, wrists 40",
    )
    kd: float = Field(
        default=1.5,
        gt=0,
        le=5,
        description="damping of arms and waist, Nm s/rad; Unitree's teleoperation uses 3, wrists 1.5",
    )
    ramp_s: float = Field(
        default=2.0, ge=0.1, le=3, description="duration of taking the arms over, and of handing them back, s"
    )
    max_age_s: float = Field(
        default=0.05, gt=0, le=1, description="age from which a measurement is refused, s: a miss in each period"
    )
    connect_s: float = Field(default=5.0, gt=0, le=60, description="longest wait for the first measurement, s")


class Robot:
    """Reads the robot and commands its arms in one thread, while a side uses it.

    It exists as long as the process: the robot keeps the last weight, from where a new connection has to continue.
    """

    def __init__(self, interface: str, options: G1Options) -> None:
        self.options = options
        self._interface = interface
        self._lock = threading.Lock()
        self._sides: dict[str, bool] = {}  # the sides in use, and whether each is to have the arms
        self._thread: threading.Thread | None = None
        self._receiver = Receiver()
        self._targets: np.ndarray | None = None  # (35,), None without a fresh state
        self._ramp = -LEAD  # from -LEAD to 1; above 0 it is the weight
        self._then = -math.inf  # time of the last step of the ramp
        self._error = ""  # of the last period

    def enter(self, side: str, options: G1Options) -> None:
        """Wait for the robot, check that no other program commands it, and take over the arms where they are.

        Blocks for at most `connect_s`, five times `ramp_s` and two seconds.

        Raises:
            DeviceError: If that fails.
        """
        began = time.monotonic()
        self._begin(side, options)
        try:
            _until(lambda: self._targets is not None, options.connect_s, self._why_stale)
            if _holds(lambda: self._receiver.others_then > began, LISTEN_S):
                raise DeviceError(f"found another program that sends {COMMAND}, expected none")
            self._sides[side] = True
            ramp_s = 3 * options.ramp_s + SLACK_S  # the ramp proceeds with each state, slower if states are late
            _until(lambda: self._ramp >= 1.0, ramp_s, lambda: f"arms not taken over: {self._why_stale()}")
        except DeviceError:
            self.leave(side)
            raise

    def leave(self, side: str) -> None:
        """Release the robot for a side. After the last one, the arms are handed back over `ramp_s`."""
        with self._lock:
            self._sides.pop(side, None)

    def newest(self) -> Measurement:
        """The newest measurement.

        Raises:
            DeviceError: If it is too old, or commands cannot be sent.
        """
        newest = self._receiver.fresh()
        if newest is None or self._error:
            raise DeviceError(self._why_stale())
        return newest

    def set_targets(self, numbers: Sequence[int], position: np.ndarray) -> None:
        """Set the targets of some motors for the next messages.

        Args:
            numbers: Indices of the n motors.
            position: (n,), rad.

        Raises:
            DeviceError: For a lost robot.
        """
        with self._lock:
            self._checked()[0][list(numbers)] = position

    def hold(self, numbers: Sequence[int]) -> None:
        """Hold some motors at their targets, or near the measured positions if they are kept from reaching them.

        Raises:
            DeviceError: For a lost robot.
        """
        with self._lock:
            (targets, newest), places = self._checked(), list(numbers)
            targets[places] = targets_to_hold(targets[places], newest.motors.moves[places, 0])

    def others(self) -> bool:
        """Whether another program commands the arms."""
        return time.monotonic() - self._receiver.others_then < LISTEN_S

    def _checked(self) -> tuple[np.ndarray, Measurement]:
        """The targets (35,), to be changed in place, and the fresh measurement; DeviceError without one."""
        newest = self._receiver.fresh()
        if self._targets is None or newest is None:
            raise DeviceError(self._why_stale())
        return self._targets, newest

    def _begin(self, side: str, options: G1Options) -> None:
        if not self._sides:  # arms that are being handed back keep the previous options
            _holds(lambda: self._thread is None or options == self.options, 2 * self.options.ramp_s)
        with self._lock:
            if side in self._sides:
                raise DeviceError(f"found the {side} arm in use by this process, expected it free")
            if self._thread is not None and options != self.options:
                raise DeviceError(f"options: found {options!r}, expected those of the other arm, {self.options!r}")
            if self._thread is None:
                wire = Wire(g1_dds.participant(self._interface, options.domain), options.kp, options.kd)
                self.options, self._targets, self._error = options, None, ""
                self._receiver.begin(options.max_age_s)
                # Not a daemon: when the main thread ends, even with an error, this one still hands the arms back.
                self._thread = threading.Thread(target=self._run, args=(wire,), name="g1", daemon=False)
                self._thread.start()
            self._sides[side] = self._ramp > -LEAD  # a hand-back in progress is reversed at once

    def _run(self, wire: Wire) -> None:
        precise_timers()
        deadline = time.monotonic_ns()
        while self._step(wire):
            deadline = max(deadline + PERIOD_NS, time.monotonic_ns())
            sleep_until(deadline)

    def _step(self, wire: Wire) -> bool:
        """One period; False if the thread is no longer needed."""
        try:
            self._receiver.poll(wire)
            command = self._next()
            if command is not None:
                wire.send(*command)
            self._error = ""
        except Exception as error:  # of the vendor's library; the thread must not end before the arms are handed back
            self._error = f"{type(error).__name__}: {error}"
        return self._needed()

    def _next(self) -> tuple[np.ndarray, float, int] | None:
        """The command of this period; None without a fresh state, and before the arms are taken over."""
        with self._lock:
            newest = self._receiver.fresh()
            if newest is None:
                self._targets = None
                return None
            wanted = self._used() and any(self._sides.values())
            targets = self._targets
            if targets is None or not (wanted or self._ramp > -LEAD):
                targets = self._targets = newest.motors.moves[:, 0].copy()
            step = self._passed_s() / self.options.ramp_s
            before, self._ramp = self._ramp, float(np.clip(self._ramp + (step if wanted else -step), -LEAD, 1.0))
            if before == self._ramp == -LEAD:
                return None
            return targets.copy(), max(self._ramp, 0.0), newest.mode_machine

    def _passed_s(self) -> float:
        """Time since the last period, at most two periods: the weight must not jump."""
        then, self._then = self._then, time.monotonic()
        return min(self._then - then, 2e-9 * PERIOD_NS)

    def _needed(self) -> bool:
        with self._lock:
            handing_back = self._ramp > -LEAD and self._receiver.fresh() is not None and not self._error
            needed = self._used() or handing_back
            if not needed:
                self._thread = None
            return needed

    def _used(self) -> bool:
        return bool(self._sides) and threading.main_thread().is_alive()

    def _why_stale(self) -> str:
        return self._error or self._receiver.why_stale()


_robots: dict[tuple[str, int], Robot] = {}
_robots_lock = threading.Lock()


def robot_at(interface: str, options: G1Options) -> Robot:
    """The robot at a network interface, one per process."""
    with _robots_lock:
        return _robots.setdefault((interface, options.domain), Robot(interface, options))


def _until(condition: Callable[[], bool], seconds: float, why: Callable[[], str]) -> None:
    if not _holds(condition, seconds):
        raise DeviceError(why())


def _holds(condition: Callable[[], bool], seconds: float) -> bool:
    """Wait for a condition; returns whether it became true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True
