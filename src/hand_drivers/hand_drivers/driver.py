"""The driver of one device, without ROS and without a clock: the caller passes the time.

``tick`` reads the device, samples the running chunk, passes the target through the motion guard and writes it.
"""

from __future__ import annotations

import contextlib
import math
import threading
from collections.abc import Callable
from operator import sub

from contracts.chunk import SECOND, Chunk
from hand_drivers.commands import Commands
from hand_drivers.device import Device, DeviceError, JointSample, checked, patiently
from hand_drivers.guard import GuardStatus, MotionLimits, MotionState, brake, guard
from hand_drivers.limit_monitor import LimitMonitor
from hand_drivers.servo import LONG_GAP_S
from hand_drivers.settings import DriverSettings
from hand_drivers.state_machine import Mode
from hand_drivers.status import ChunkStatus, Counts, State
from hand_drivers.trace import CommandTrace

_CATCH_UP_S = 0.5  # a joint that reaches its command within this time, at its present velocity, follows it
_IN_USE_S = 1.0  # a publisher is in use for this time after its last chunk
_RELEASE_S = 1.0  # longest time to wait for another thread that uses the device
_OUTSIDE = 0.25  # how far outside of its limits a joint may be at the start, as a share of its range
_LAGGING, _LAGGING_S = 0.5, 0.5  # share of `max_following_error` that is a fault after this time


class Driver:
    """One device, its motion guard and its stops.

    ``tick`` and ``reconnect`` may block for as long as the device does, so each has a thread of its own; the other
    methods take microseconds (``reset``: a few responses of the device). Locks are taken in the order wire, mode.
    """

    def __init__(self, device: Device, limits: MotionLimits, settings: DriverSettings) -> None:
        self.device, self.limits, self.settings = device, limits, settings
        self.counts, self.refusal = Counts(), ""  # why the last refused chunk was refused
        self.sample: JointSample | None = None  # newest measurement
        self.command: MotionState | None = None  # newest command
        self.fault = ""  # fault or loss of the device, until it is reset
        self.faults = 0  # how many there were
        self.miss = ""  # the last time without a measurement, and why
        self._mode = Mode()
        self._wire = threading.RLock()
        self._dt = 1.0 / self.settings.rate_hz
        self._joints = limits.lower.size
        self._commands = Commands(self._joints, self.settings)
        self.audit = LimitMonitor(limits, self._dt)
        self.trace = CommandTrace()
        self._at_stop = False
        self._accepted_ns = -math.inf  # time of the last chunk that was accepted
        self._disowned = ""  # the last reason given to `disown`
        self._faulty = False  # whether the device reported a fault since it was enabled
        self._commanded_ns: int | None = None  # time of the last command, None after the start
        self._lagging_ns: int | None = None  # since when a following error is above _LAGGING
        self._silent_ns: int | None = None  # since when the device does not respond
        self._missing = ""  # why

    @property
    def state(self) -> State:
        """Present state."""
        return self._mode.state

    @property
    def reason(self) -> str:
        """Why the driver holds, is stopped or lost; empty while it follows a chunk."""
        return self._mode.reason

    @property
    def at_rest(self) -> bool:
        """Whether no motion is commanded."""
        command = self.command
        return command is None or not command.moving or not self._mode.connected

    def start(self) -> None:
        """Connect the device and hold it at its measured position.

        Raises:
            DeviceError: the device cannot be connected, or reports impossible positions.
        """
        with self._wire:
            self.device.connect()
            try:
                self._take_over()
            except Exception:
                _quietly(self.device.disconnect)
                raise
            self._mode.start()

    def adjust(self, settings: DriverSettings, limits: MotionLimits) -> None:
        """Use other settings and limits from the next period on.

        Args:
            settings: The settings; those that are not in `at_run_time` are as before.
            limits: The limits, with the positions of before.
        """
        with self._mode.lock:
            self.settings, self.limits = settings, limits
            self._commands.settings = settings

    def retire(self) -> None:
        """Brake; the caller calls ``end`` once the driver is ``at_rest``."""
        self._mode.retire()

    def end(self) -> None:
        """Stop and disconnect the device (brake first: ``retire``, then tick until ``at_rest``)."""
        self._mode.end()
        if not self._wire.acquire(timeout=_RELEASE_S):  # a reconnection is under way, and disconnects
            return
        try:
            _quietly(self.device.stop)
            _quietly(self.device.disconnect)
        finally:
            self._wire.release()

    def accept_chunk(self, chunk: Chunk, now_ns: int, wall_ns: int | None = None) -> ChunkStatus:
        """Follow a chunk in place of the rest of the running one, if it may be followed.

        Args:
            chunk: The chunk, its stamp in system time.
            now_ns: Now, on the time axis of ``tick``. A monotonic axis keeps motion even when the system clock is set.
            wall_ns: Now, in system time, where that is another axis.
        """
        wall_ns = now_ns if wall_ns is None else wall_ns
        with self._mode.lock:
            command = self.command
            if command is None or not self._mode.movable:
                return self.refuse(ChunkStatus.NOT_READY)
            status = self._commands.judge(chunk, wall_ns, self.state is State.TRACKING)
            if status is not ChunkStatus.ACCEPTED:
                return self.refuse(status)
            if self.state is State.HOLDING:
                self._commands.ramp_up(now_ns, command.position)
            since_ns = now_ns if self._commanded_ns is None else min(self._commanded_ns, now_ns)
            self._commands.follow(chunk, now_ns, wall_ns, command.position, since_ns)
            self._mode.track()
            self._accepted_ns = now_ns
            self.counts.chunks += 1
            self.trace.accepted()
        return status

    def refuse(self, status: ChunkStatus) -> ChunkStatus:
        """Count a chunk that was refused, by the driver or by the reader of the message."""
        self.counts.refused += 1
        self.refusal = str(status)
        return status

    def estop(self, asserted: bool = True) -> None:
        """Set the emergency stop: asserted, it latches; released, it only permits a reset."""
        self._mode.estop(asserted)

    def stop(self, reason: str) -> None:
        """Brake and latch for a reason that does not persist: a reset is permitted at once."""
        self._mode.latch(reason)

    def disown(self, reason: str, now_ns: int) -> None:
        """Refuse a chunk that is not from the only publisher; where one was followed just before, that is a fault.

        Args:
            reason: Names the publishers.
            now_ns: Now, on the time axis of `tick`.
        """
        self.refuse(ChunkStatus.TWO_PUBLISHERS)
        if self._mode.movable and now_ns - self._accepted_ns < _IN_USE_S * SECOND:
            self._note(reason)
            self._mode.latch(reason)
        elif self._disowned and self.reason == self._disowned:  # the names of the publishers may become known later
            self._mode.reason = reason
        self._disowned = reason

    def reset(self) -> tuple[bool, str]:
        """Leave the latch and hold, if the cause is gone.

        Returns:
            Whether it did, and "holding" or why not.
        """
        refusal = self._mode.reset_refusal(self.at_rest)  # first: a reconnection may keep the wire for seconds
        if not refusal and not self._wire.acquire(timeout=_RELEASE_S):
            refusal = "the device does not answer"
        if refusal:
            return False, refusal
        try:
            refusal = self._mode.reset_refusal(self.at_rest) or self._clear_device()
            self.fault = self.fault if refusal else ""  # before it holds again: a fault after that is a new one
            refusal = refusal or self._mode.reset(self.at_rest)
        except Exception as error:  # as in `tick`
            self._lose(error)
            refusal = str(error)
        finally:
            self._wire.release()
        return not refusal, refusal or "holding"

    def tick(self, now_ns: int) -> None:
        """Run one period: read, decide, guard, write. A lost device is a state, not an exception."""
        if not self._mode.connected:
            return
        try:
            with self._wire:
                if self._mode.connected:
                    self._exchange(now_ns)
                    self._found(now_ns)
        except DeviceError as error:
            self._miss(error, now_ns)
        except Exception as error:  # an error in a plug-in must not end the loop, which stops the device
            self._lose(error)

    def reconnect(self) -> bool:
        """Try once to reconnect a lost device, which then is stopped until a reset; returns False when it failed."""
        try:
            with self._wire:
                if self.state is State.LOST:
                    _quietly(self.device.disconnect)
                    self.device.connect()
                    self._take_over()
                    self._mode.regain()
                if self.state is State.INACTIVE:  # `end` was called meanwhile
                    _quietly(self.device.disconnect)
        except Exception as error:  # of any type, from a plug-in
            self._mode.stay_lost(_words(error))
            return False
        return True

    def _exchange(self, now_ns: int) -> None:
        sample = checked(self.device.read(), self._joints)
        before = self._last_command(now_ns)
        self.sample, reported = sample, self.device.fault()
        self._faulty |= reported is not None
        fault = reported or self._following_fault(before, sample, now_ns)
        if fault:
            if not self.fault:
                self._note(fault)
            self._mode.latch(fault)
        limits = self.limits
        command = self._next(before, now_ns, limits)
        self.command, self._commanded_ns = command, now_ns
        self.audit.add(command.position, limits)
        if self.state is not State.STOPPED or command.moving:
            self._at_stop = False
            self.trace.writing(now_ns)
            self.device.write(command.position)
        elif not self._at_stop:  # at rest: the device's own stop, once
            self.device.stop()
            self._at_stop = True

    def _last_command(self, now_ns: int) -> MotionState:
        """The last command; at rest after a gap without commands, in which the robot has stopped there."""
        command = self.command
        assert command is not None, "the first command is set when the device is connected"
        if self._commanded_ns is None or now_ns - self._commanded_ns <= LONG_GAP_S * SECOND:
            return command
        self.audit.start(command.position)
        return MotionState.at_rest(command.position)

    def _following_fault(self, command: MotionState, sample: JointSample, now_ns: int) -> str:
        """The joint that does not follow its command, and its following error, as text; empty if all follow."""
        limit, since_ns, self._lagging_ns = self.settings.max_following_error, self._lagging_ns, None
        if not limit or not self._mode.movable:
            return ""
        commanded, measured = command.position.tolist(), sample.position.tolist()
        if max(map(abs, map(sub, commanded, measured))) <= _LAGGING * limit:  # as nearly always
            return ""
        behind = list(map(_lag, commanded, measured, sample.velocity.tolist()))
        worst = max(behind)
        if worst <= _LAGGING * limit:
            return ""
        self._lagging_ns = now_ns if since_ns is None else since_ns
        if worst <= limit and now_ns - self._lagging_ns < _LAGGING_S * SECOND:
            return ""
        return f"{self.device.joints[behind.index(worst)]} does not follow: {worst:.2f} off"

    def _next(self, before: MotionState, now_ns: int, limits: MotionLimits) -> MotionState:
        with self._mode.lock:
            if self.state is State.TRACKING and self._commands.expired(now_ns):
                self._mode.hold("command timeout")
                self.counts.held += 1
            if self.state is not State.TRACKING:
                return brake(before, limits, self._dt)
            self.trace.sampled()
            target, velocity = self._commands.target(now_ns)
            command, status = guard(target, before, limits, self._dt, velocity)
            self.counts.limited += status is not GuardStatus.OK
            return command

    def _take_over(self) -> None:
        """Start at rest at the measured position."""
        self.sample = sample = patiently(self._plausible_reading)
        self.command, self._at_stop = MotionState.at_rest(sample.position), False
        self.audit.start(sample.position)
        self._silent_ns = self._lagging_ns = self._commanded_ns = None
        self._faulty = False

    def _plausible_reading(self) -> JointSample:
        """Return a measurement that is not far outside of the limits, as the first command will be this position.

        Raises:
            DeviceError: it is far outside.
        """
        sample = checked(self.device.read(), self._joints)
        margin = _OUTSIDE * (self.limits.upper - self.limits.lower)
        lower, upper = self.limits.lower - margin, self.limits.upper + margin
        for name, place, low, high in zip(self.device.joints, sample.position, lower, upper, strict=True):
            if not low <= place <= high:
                raise DeviceError(f"{name}: found {place:.3g}, expected {low:.3g} to {high:.3g}")
        return sample

    def _clear_device(self) -> str:
        """Clear the device's fault and start from rest; returns a fault that remains, else an empty text.

        A fault that went away is cleared, too: a device may move only after it is enabled again.
        """
        if self._faulty or self.device.fault() is not None:
            self.device.clear_fault()
        fault = self.device.fault()
        if fault is None:
            self._take_over()
        return fault or ""

    def _miss(self, error: DeviceError, now_ns: int) -> None:
        """Count a period without response, and so without command; after the device timeout, the device is lost.

        The timeout counts from the first period without a response, not from the last response: during a scheduler
        stall there are no requests, which is no fault of the device.
        """
        self.counts.missed += 1
        self._at_stop = False  # the stop may not have arrived
        self._silent_ns, self._missing = self._silent_ns or now_ns, _words(error)
        if now_ns - self._silent_ns >= self.settings.device_timeout_s * SECOND:
            self._lose(error)

    def _found(self, now_ns: int) -> None:
        """Note for how long there was no measurement."""
        if self._silent_ns is not None:
            self.miss = f"{1e-6 * (now_ns - self._silent_ns):.0f} ms: {self._missing}"
        self._silent_ns = None

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
    """The following error of a joint; 0 if it is on its way to its command."""
    gap = commanded - measured
    nearing = velocity if gap > 0.0 else -velocity
    return abs(gap) if nearing * _CATCH_UP_S < abs(gap) else 0.0


def _quietly(step: Callable[[], None]) -> None:
    """Run a step that ends a connection, which may be lost already."""
    with contextlib.suppress(Exception):
        step()
