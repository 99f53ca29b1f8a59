"""The driver of one device, without ROS and without a clock: time is given, so that anyone can step it.

``tick`` reads the device, decides where the robot has to be now, passes that through the motion guard and writes it.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from operator import sub

from contracts.chunk import SECOND, Chunk
from hand_drivers.commands import Commands
from hand_drivers.device import Device, DeviceError, JointSample, checked, patiently
from hand_drivers.guard import GuardStatus, MotionLimits, MotionState, brake, guard
from hand_drivers.limit_monitor import LimitMonitor
from hand_drivers.settings import DriverSettings
from hand_drivers.state_machine import Mode
from hand_drivers.status import ChunkStatus, Counts, State
from hand_drivers.trace import CommandTrace

_CATCH_UP_S = 0.5  # a joint that will be there so soon follows
_LET_GO_S = 1.0  # longest time to wait for whoever is talking to the device
_OUTSIDE = 0.25  # share of a joint's range that it may be outside when it is taken over
_LAGGING, _LAGGING_S = 0.5, 0.5  # share of `max_following_error` that is too much too, for so long


class Driver:
    """One device, its motion guard and its stops.

    ``tick`` and ``reconnect`` may each block for as long as the device does and belong to threads of their own; the
    rest takes microseconds (``reset``: a few answers of the device). Locks are taken in the order wire, mode.
    """

    def __init__(self, device: Device, limits: MotionLimits, settings: DriverSettings) -> None:
        self.device, self.limits, self.settings = device, limits, settings
        self.counts, self.refusal = Counts(), ""  # why the last refused chunk was refused
        self.sample: JointSample | None = None  # newest measurement
        self.command: MotionState | None = None  # newest command
        self.fault = ""  # what the device itself stopped for, its own fault or its loss, until it is reset
        self.faults = 0  # how many there were
        self._mode = Mode()
        self._wire = threading.RLock()
        self._dt = 1.0 / self.settings.rate_hz
        self._joints = limits.lower.size
        self._commands = Commands(self._joints, self.settings)
        self.audit = LimitMonitor(limits, self._dt)
        self.trace = CommandTrace()
        self._at_stop = False
        self._faulty = False  # whether it told a fault since it was enabled
        self._commanded_ns: int | None = None  # when it was last commanded, None right after it was taken over
        self._lagging_ns: int | None = None  # since when a joint is behind its command by _LAGGING, None while none is
        self._silent_ns: int | None = None  # since when the device does not answer, None while it does

    @property
    def state(self) -> State:
        """What the driver does."""
        return self._mode.state

    @property
    def reason(self) -> str:
        """Why it holds, is stopped or lost; "" while it follows a chunk."""
        return self._mode.reason

    @property
    def standing(self) -> bool:
        """Whether no motion is commanded."""
        command = self.command
        return command is None or not command.moving or not self._mode.connected

    def start(self) -> None:
        """Connect and take over the device where it stands, holding. Raises DeviceError."""
        with self._wire:
            self.device.connect()
            try:
                self._take_over()
            except Exception:
                _quietly(self.device.disconnect)
                raise
            self._mode.start()

    def retire(self) -> None:
        """Brake, to be ended once ``standing``."""
        self._mode.retire()

    def end(self) -> None:
        """Stop the device and let go of it (brake first: ``retire``, then tick until ``standing``)."""
        self._mode.end()
        if not self._wire.acquire(timeout=_LET_GO_S):  # a reconnection has it, and lets go of the device itself
            return
        try:
            _quietly(self.device.stop)
            _quietly(self.device.disconnect)
        finally:
            self._wire.release()

    def accept_chunk(self, chunk: Chunk, now_ns: int, wall_ns: int | None = None) -> ChunkStatus:
        """Follow ``chunk`` in place of the rest of the current one.

        ``now_ns`` is on the axis of ``tick``, ``wall_ns`` on that of the stamp where the two differ: on a monotonic
        axis motion goes on evenly when the system clock is set.
        """
        wall_ns = now_ns if wall_ns is None else wall_ns
        with self._mode.lock:
            if not self._mode.movable:
                return self.refuse(ChunkStatus.NOT_READY)
            status = self._commands.judge(chunk, wall_ns, self.state is State.TRACKING)
            if status is not ChunkStatus.ACCEPTED:
                return self.refuse(status)
            if self.state is State.HOLDING:
                self._commands.ramp_up(now_ns, self.command.position)
            since_ns = now_ns if self._commanded_ns is None else min(self._commanded_ns, now_ns)
            self._commands.follow(chunk, now_ns, wall_ns, self.command.position, since_ns)
            self._mode.track()
            self.counts.chunks += 1
            self.trace.accepted()
        return status

    def refuse(self, status: ChunkStatus) -> ChunkStatus:
        """Count a chunk that was refused, here or on its way here."""
        self.counts.refused += 1
        self.refusal = str(status)
        return status

    def estop(self, asserted: bool = True) -> None:
        """Take the value of the emergency stop: asserted it latches, released it only permits a reset."""
        self._mode.estop(asserted)

    def stop(self, reason: str) -> None:
        """Brake and latch, with a cause that is gone at once."""
        self._mode.latch(reason)

    def reset(self) -> tuple[bool, str]:
        """Leave the latch, holding where the robot stands, if the cause is gone; else (False, why not)."""
        refusal = self._mode.reset_refusal(self.standing)  # at once: a reconnection may have the wire for seconds
        if not refusal and not self._wire.acquire(timeout=_LET_GO_S):
            refusal = "the device does not answer"
        if refusal:
            return False, refusal
        try:
            refusal = self._mode.reset_refusal(self.standing) or self._clear_device()
            self.fault = self.fault if refusal else ""  # before it holds again: what comes then is news
            refusal = refusal or self._mode.reset(self.standing)
        except Exception as error:  # as in `tick`
            self._lose(error)
            refusal = str(error)
        finally:
            self._wire.release()
        return not refusal, refusal or "holding"

    def tick(self, now_ns: int) -> None:
        """One period: read, decide, guard, write. Losing the device is a state, not an exception."""
        if not self._mode.connected:
            return
        try:
            with self._wire:
                if self._mode.connected:
                    self._exchange(now_ns)
                    self._silent_ns = None
        except DeviceError as error:
            self._miss(error, now_ns)
        except Exception as error:  # a plug-in's own fault: a loop that dies could not even stop the device
            self._lose(error)

    def reconnect(self) -> bool:
        """Try once to get a lost device back; it then is stopped and waits for a reset."""
        try:
            with self._wire:
                if self.state is State.LOST:
                    _quietly(self.device.disconnect)
                    self.device.connect()
                    self._take_over()
                    self._mode.regain()
                if self.state is State.INACTIVE:  # ended meanwhile
                    _quietly(self.device.disconnect)
        except Exception as error:  # not back yet, whatever the plug-in calls it
            self._mode.stay_lost(_words(error))
            return False
        return True

    def _exchange(self, now_ns: int) -> None:
        self.sample = checked(self.device.read(), self._joints)
        told = self.device.fault()
        self._faulty |= told is not None
        fault = told or self._behind(now_ns)
        if fault:
            if not self.fault:
                self._note(fault)
            self._mode.latch(fault)
        self.command, self._commanded_ns = self._next(now_ns), now_ns
        self.audit.add(self.command.position)
        if self.state is not State.STOPPED or self.command.moving:
            self._at_stop = False
            self.trace.writing(now_ns)
            self.device.write(self.command.position)
        elif not self._at_stop:  # at rest: handed to the device once, then left alone
            self.device.stop()
            self._at_stop = True

    def _behind(self, now_ns: int) -> str:
        """Which joint does not follow its command, and by how far; "" if all do."""
        limit, since_ns, self._lagging_ns = self.settings.max_following_error, self._lagging_ns, None
        if not limit or not self._mode.movable:
            return ""
        commanded, measured = self.command.position.tolist(), self.sample.position.tolist()
        if max(map(abs, map(sub, commanded, measured))) <= _LAGGING * limit:  # as nearly always
            return ""
        behind = list(map(_lag, commanded, measured, self.sample.velocity.tolist()))
        worst = max(behind)
        if worst <= _LAGGING * limit:
            return ""
        self._lagging_ns = now_ns if since_ns is None else since_ns
        if worst <= limit and now_ns - self._lagging_ns < _LAGGING_S * SECOND:
            return ""
        return f"{self.device.joints[behind.index(worst)]} does not follow: {worst:.2f} off"

    def _next(self, now_ns: int) -> MotionState:
        with self._mode.lock:
            if self.state is State.TRACKING and self._commands.expired(now_ns):
                self._mode.hold("command timeout")
                self.counts.held += 1
            if self.state is not State.TRACKING:
                return brake(self.command, self.limits, self._dt)
            self.trace.sampled()
            target, velocity = self._commands.target(now_ns)
            command, status = guard(target, self.command, self.limits, self._dt, velocity)
            self.counts.limited += status is not GuardStatus.OK
            return command

    def _take_over(self) -> None:
        """Start from where the robot is measured, at rest."""
        self.sample = patiently(self._plausible_reading)
        self.command, self._at_stop = MotionState.at_rest(self.sample.position), False
        self.audit.start(self.command.position)
        self._silent_ns = self._lagging_ns = self._commanded_ns = None
        self._faulty = False

    def _plausible_reading(self) -> JointSample:
        """A robot can be outside its limits, but not by far; it would be commanded to where this says. Raises
        DeviceError."""
        sample = checked(self.device.read(), self._joints)
        margin = _OUTSIDE * (self.limits.upper - self.limits.lower)
        lower, upper = self.limits.lower - margin, self.limits.upper + margin
        for name, place, low, high in zip(self.device.joints, sample.position, lower, upper, strict=True):
            if not low <= place <= high:
                raise DeviceError(f"{name}: found {place:.3g}, expected {low:.3g} to {high:.3g}")
        return sample

    def _clear_device(self) -> str:
        """Clear the device's fault and take it over again; returns the fault that stays, "" if none.

        One that went by itself too: a device may move again only once it is enabled anew.
        """
        if self._faulty or self.device.fault() is not None:
            self.device.clear_fault()
        fault = self.device.fault()
        if fault is None:
            self._take_over()
        return fault or ""

    def _miss(self, error: DeviceError, now_ns: int) -> None:
        """No answer in this period, so no command either; lost once that has gone on for too long.

        Counted from the first period without an answer, not from the last with one: while the whole machine stands
        still nobody asks, and the device is not to blame.
        """
        self.counts.missed += 1
        self._at_stop = False  # what was handed to it may not have arrived
        self._silent_ns = now_ns if self._silent_ns is None else self._silent_ns
        if now_ns - self._silent_ns >= self.settings.device_timeout_s * SECOND:
            self._lose(error)

    def _lose(self, error: Exception) -> None:
        reason = _words(error)
        if self._mode.lose(reason):
            self.counts.lost += 1
            self._note(reason)

    def _note(self, fault: str) -> None:
        self.fault = fault
        self.faults += 1


def _words(error: Exception) -> str:
    return str(error) if isinstance(error, DeviceError) else f"{type(error).__name__}: {error}"


def _lag(commanded: float, measured: float, velocity: float) -> float:
    """How far a joint is from its command; 0 if it is on its way there."""
    gap = commanded - measured
    nearing = velocity if gap > 0.0 else -velocity
    return abs(gap) if nearing * _CATCH_UP_S < abs(gap) else 0.0


def _quietly(step: Callable[[], None]) -> None:
    """Run a step at the end of a connection that may be gone already."""
    with contextlib.suppress(Exception):
        step()
