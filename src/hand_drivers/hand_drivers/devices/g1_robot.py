"""One Unitree G1 for the plug-ins of both its arms: it takes the commands of both in one message, with one weight.

So a process has one `Robot` for a network interface, which alone sends `rt/arm_sdk`; see docs/reference/devices/g1.md.
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
from hand_drivers.devices.g1_hearing import Hearing, Measurement
from hand_drivers.devices.g1_wire import COMMAND, Wire
from hand_drivers.servo import sleep_until
from node_kit.scheduling import precise_timers

PERIOD_NS = 4_000_000
SLACK_S = 1.0  # to take over the arms
LISTEN_S = 0.3  # how long to listen for others that command the arms
LEAD = 0.05  # how long the weight is said to be 0 before and after, as a share of the ramp
POLL_S = 0.002


class G1Options(Options):
    """Options of a G1's arms, the same for both."""

    domain: int = g1_dds.DOMAIN
    kp: float = Field(
        60.0,
        gt=0,
        le=100,
        description="stiffness of arms and waist, Nm/rad; Unitree's teleoperation takes 80, wrists 40",
    )
    kd: float = Field(
        1.5, gt=0, le=5, description="damping of arms and waist, Nm s/rad; Unitree's teleoperation takes 3, wrists 1.5"
    )
    ramp_s: float = Field(2.0, ge=0.1, le=3, description="duration of taking the arms over, and of handing them back")
    max_age_s: float = Field(
        0.1, gt=0, le=1, description="an older measurement is none: the driver counts a miss in each period"
    )
    connect_s: float = Field(5.0, gt=0, le=60, description="longest time to wait for the first measurement")


class Robot:
    """Reads the robot and commands its arms from a thread of its own, as long as a side uses it.

    It stays as long as the process does: the robot keeps the weight that it heard last, so that is where we go on from.
    """

    def __init__(self, interface: str, options: G1Options) -> None:
        self.options = options
        self._interface = interface
        self._lock = threading.Lock()
        self._sides: dict[str, bool] = {}  # the sides in use, and whether each wants the arms
        self._thread: threading.Thread | None = None
        self._heard = Hearing()
        self._told: np.ndarray | None = None  # (35,) what the motors are told; None while the robot is silent
        self._ramp = -LEAD  # from here to 1; above 0 it is the weight
        self._then = -math.inf  # when the ramp went on
        self._error = ""  # what is wrong with what we send

    def enter(self, side: str, options: G1Options) -> None:
        """Wait for the robot, listen whether it is ours alone, and take the arms over where they are. Blocks for
        `connect_s` and five times `ramp_s` and two seconds at most. Raises DeviceError.
        """
        began = time.monotonic()
        self._begin(side, options)
        try:
            _until(lambda: self._told is not None, options.connect_s, self._why_silent)
            if _holds(lambda: self._heard.others_then > began, LISTEN_S):
                raise DeviceError(f"found another program that sends {COMMAND}, expected none")
            self._sides[side] = True
            ramp_s = 3 * options.ramp_s + SLACK_S  # it goes on with each state, and takes longer where those are late
            _until(lambda: self._ramp >= 1.0, ramp_s, lambda: f"not ours: {self._why_silent()}")
        except DeviceError:
            self.leave(side)
            raise

    def leave(self, side: str) -> None:
        """A side needs the robot no more. When the last one leaves, the arms are handed back over `ramp_s`."""
        with self._lock:
            self._sides.pop(side, None)

    def newest(self) -> Measurement:
        """The newest measurement. Raises DeviceError when it is too old, or commands cannot be sent."""
        newest = self._heard.newest
        if newest is None or not self._heard.fresh() or self._error:
            raise DeviceError(self._why_silent())
        return newest

    def tell(self, numbers: Sequence[int], position: np.ndarray) -> None:
        """Positions (n,) in rad for some motors, from the next message on. Raises DeviceError."""
        with self._lock:
            self._targets()[list(numbers)] = position

    def hold(self, numbers: Sequence[int]) -> None:
        """Some motors stay where they were told to be, or near where they are kept from that. Raises DeviceError."""
        with self._lock:
            told, places = self._targets(), list(numbers)
            told[places] = targets_to_hold(told[places], self._heard.newest.motors.moves[places, 0])

    def others(self) -> bool:
        """Whether somebody else commands the arms at this time."""
        return time.monotonic() - self._heard.others_then < LISTEN_S

    def _targets(self) -> np.ndarray:
        """What the motors (35,) are told, to be changed in place; DeviceError while the robot is silent."""
        if self._told is None or not self._heard.fresh():
            raise DeviceError(self._why_silent())
        return self._told

    def _begin(self, side: str, options: G1Options) -> None:
        if not self._sides:  # what still hands the arms back does so with the options it had
            _holds(lambda: self._thread is None or options == self.options, 2 * self.options.ramp_s)
        with self._lock:
            if side in self._sides:
                raise DeviceError(f"found the {side} arm in use by this process, expected it free")
            if self._thread is not None and options != self.options:
                raise DeviceError(f"options: found {options!r}, expected those of the other arm, {self.options!r}")
            if self._thread is None:
                wire = Wire(g1_dds.participant(self._interface, options.domain), options.kp, options.kd)
                self.options, self._told, self._error = options, None, ""
                self._heard.begin(options.max_age_s)
                # Not a daemon: when the main thread ends, even by an error, this one still hands the arms back.
                self._thread = threading.Thread(target=self._run, args=(wire,), name="g1", daemon=False)
                self._thread.start()
            self._sides[side] = self._ramp > -LEAD  # arms that are not handed back yet are not let go in between

    def _run(self, wire: Wire) -> None:
        precise_timers()
        deadline = time.monotonic_ns()
        while self._step(wire):
            deadline = max(deadline + PERIOD_NS, time.monotonic_ns())
            sleep_until(deadline)

    def _step(self, wire: Wire) -> bool:
        """One period; False when the thread is not needed any more."""
        try:
            self._heard.look(wire)
            command = self._next()
            if command is not None:
                wire.send(*command)
            self._error = ""
        except Exception as error:  # of a vendor's library; a thread that dies would leave the arms as they are
            self._error = f"{type(error).__name__}: {error}"
        return self._needed()

    def _next(self) -> tuple[np.ndarray, float, int] | None:
        """What to send, if anything: nothing to a silent robot, and nothing before it is taken over."""
        with self._lock:
            if not self._heard.fresh():
                self._told = None
                return None
            wanted = self._used() and any(self._sides.values())
            newest = self._heard.newest
            if self._told is None or not (wanted or self._ramp > -LEAD):
                self._told = newest.motors.moves[:, 0].copy()
            step = self._passed_s() / self.options.ramp_s
            before, self._ramp = self._ramp, float(np.clip(self._ramp + (step if wanted else -step), -LEAD, 1.0))
            if before == self._ramp == -LEAD:
                return None
            return self._told.copy(), max(self._ramp, 0.0), newest.mode_machine

    def _passed_s(self) -> float:
        """Time since the last period; the weight must not jump, so not more than two of them."""
        then, self._then = self._then, time.monotonic()
        return min(self._then - then, 2e-9 * PERIOD_NS)

    def _needed(self) -> bool:
        with self._lock:
            needed = self._used() or (self._ramp > -LEAD and self._heard.fresh() and not self._error)
            if not needed:
                self._thread = None
            return needed

    def _used(self) -> bool:
        return bool(self._sides) and threading.main_thread().is_alive()

    def _why_silent(self) -> str:
        return self._error or self._heard.why_silent()


_robots: dict[tuple[str, int], Robot] = {}
_robots_lock = threading.Lock()


def robot_at(interface: str, options: G1Options) -> Robot:
    """The process's one robot behind a network interface."""
    with _robots_lock:
        return _robots.setdefault((interface, options.domain), Robot(interface, options))


def _until(condition: Callable[[], bool], seconds: float, why: Callable[[], str]) -> None:
    if not _holds(condition, seconds):
        raise DeviceError(why())


def _holds(condition: Callable[[], bool], seconds: float) -> bool:
    """Whether the condition comes true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True
