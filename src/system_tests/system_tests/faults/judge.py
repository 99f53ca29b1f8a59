"""Runs one fault on a running graph and judges the reaction."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from system_tests.faults import motion
from system_tests.faults.fault import Expected, Fault
from system_tests.faults.trial import Trial
from system_tests.faults.truth import Truth

LIMIT_S = 0.3  # from a fault to rest, in addition to the braking time
STAYS_S = 1.0  # time after the end of a fault in which nothing may move before the reset
NAMED_S = 3.0
OUTSIDE = "commands outside a limit"
OVERSHOOT = 1.5  # multiple of the permitted speed; simulated servos that are freed off their targets reach 1.3
STOPPING = (Expected.STOPS, Expected.NOTICED, Expected.HOLDS, Expected.ENDS)
LATCHED = (Expected.STOPS, Expected.NOTICED)


@dataclass(frozen=True)
class Row:
    """The result of one fault. Times count from the fault, or from its detection if that is expected.

    Attributes:
        fault: Name of the fault.
        expected: Expected reaction.
        observed: Problems, and the states of the drivers.
        standstill_s: Time until all joints are at rest; None if no stop was expected, or none happened.
        commands_at_rest_s: Time until the commands are at rest; None likewise.
        allowed_s: Limit of `commands_at_rest_s`: LIMIT_S, and the braking time of the fastest joint.
        settling_s: Time that the simulated servos take to follow, added to the limit of `standstill_s`.
        fastest: The joint that was fastest, relative to its speed limit, from the fault until the work goes on.
        max_speed: Its largest speed, rad/s (m/s).
        limit: Its speed limit.
        driven_speed: The largest speed to which a servo drove a joint, as a multiple of what is permitted: its limit,
            or what catches up with a target that is ahead as the joint could not follow.
        max_acceleration: Largest acceleration of all rotating joints, rad/s^2.
        resumed: Whether a motion was commanded too early.
        passed: Whether the reaction was the expected one.
        scheduler_stall_ms: Longest scheduler stall during the fault; None if unknown.
    """

    fault: str
    expected: str
    observed: str
    standstill_s: float | None = None
    commands_at_rest_s: float | None = None
    allowed_s: float | None = None
    settling_s: float | None = None
    fastest: str = ""
    max_speed: float = 0.0
    limit: float = 0.0
    driven_speed: float = 0.0
    max_acceleration: float = 0.0
    resumed: bool = False
    passed: bool = False
    scheduler_stall_ms: float | None = None


def judge(running: Trial, fault: Fault, limit_s: float = LIMIT_S) -> Row:
    """Run one fault and judge the reaction; afterwards the robots are at work again, if that is expected."""
    if fault.moving:
        running.begin_work()
    fault.prepare(running)
    outside = _outside(running)
    began = time.monotonic()
    fault.begin(running)
    time.sleep(fault.lasts_s)
    problems = [f"diagnostics without {text!r}" for text in _unnamed(running, fault)]
    since = began
    if fault.expected is Expected.NOTICED:
        since = time.monotonic()
        time.sleep(fault.lasts_s)
    if fault.expected in STOPPING:
        _wait_for_rest(running, since + limit_s)
    joints, commands = running.truth.tracks()
    stop = _stop(running, joints, commands, since, limit_s) if fault.expected in STOPPING else Stop()
    problems += stop.problems
    if fault.expected is Expected.GOES_ON:
        problems += [] if motion.moved_after(joints, time.monotonic() - 1.0) else ["the work did not go on"]
        problems += [f"{driver} needs a reset" for driver in running.latched()]
    observed = "; ".join(f"{name} {state}" for name, state in sorted(running.driver_states().items()))
    fault.end(running)
    resumed = stop.resumed or _recover(running, fault, problems)
    outside = _outside(running) - outside
    problems += [f"{outside} {OUTSIDE}"] if outside else []
    problems += [_moved_again(running.truth, resumed, began)] if resumed else []
    speeds = _speeds(running, began)
    problems += speeds.problems
    times = (stop.standstill_s, stop.commands_at_rest_s, stop.allowed_s, stop.settling_s)
    peaks = (speeds.fastest, speeds.speed, speeds.limit, speeds.driven, _acceleration(running, joints, began))
    text = "; ".join([*problems, observed])
    if problems:  # a rare one can be explained afterwards
        running.truth.save(running.session.run.path / f"motion-{fault.name.replace(' ', '-')}.npz")
    return Row(fault.name, str(fault.expected), text, *times, *peaks, resumed is not None, not problems)


def _wait_for_rest(running: Trial, until_s: float) -> None:
    """Wait until the joints are at rest, or until a monotonic time."""
    while time.monotonic() < until_s and motion.standstill_s(running.truth.tracks()[0], time.monotonic() - 0.2) is None:
        time.sleep(0.1)


@dataclass(frozen=True)
class Stop:
    """Figures of a stop; see `Row`."""

    standstill_s: float | None = None
    commands_at_rest_s: float | None = None
    allowed_s: float | None = None
    settling_s: float | None = None
    resumed: motion.Motion | None = None
    problems: tuple[str, ...] = ()


def _stop(running: Trial, joints: motion.Track, commands: motion.Track, since: float, limit_s: float) -> Stop:
    """Judge a stop of the robots."""
    peaks, truth = motion.peak_velocity(joints, since), running.truth
    allowed = limit_s + float((peaks / truth.acceleration).max())
    settling = float((truth.lag_s * np.log(np.maximum(peaks / truth.rest, 1.0))).max())
    stood = motion.rest_s(commands, since, allowed)
    if stood is None:
        return Stop(None, None, allowed, settling, None, ("did not stop",))
    free = motion.without(joints, truth.pressing(since + stood))
    still = motion.standstill_s(free, since + stood)
    if still is None:
        return Stop(None, stood, allowed, settling, None, ("did not stop",))
    still += stood
    late = [
        f"{what} stopped after {after:.2f} s: {_last(truth, track, since + after)}"
        for what, track, after, at_most in (
            ("commands", commands, stood, allowed),
            ("joints", free, still, allowed + settling),
        )
        if after > at_most
    ]
    resumed = motion.motion_after(commands, since + stood)
    return Stop(still, stood, allowed, settling, resumed, tuple(late))


def _last(truth: Truth, track: motion.Track, at_s: float) -> str:
    """The joint that came to rest last."""
    index = motion.last_to_rest(track, at_s)
    return "none had moved" if index is None else truth.names[index]


def _moved_again(truth: Truth, found: motion.Motion, began: float) -> str:
    joint, after_s = truth.names[found.joint], found.start_s - began
    return f"moved again without a reset: {joint} at {found.speed:.2f} after {after_s:.2f} s"


def _recover(running: Trial, fault: Fault, problems: list[str]) -> motion.Motion | None:
    """Return to work as expected; returns a motion that was commanded too early."""
    if fault.expected is Expected.ENDS:
        problems += [] if running.ended() else ["the graph did not end"]
        return None
    resumed = None
    if fault.expected in LATCHED:
        gone = time.monotonic()
        time.sleep(STAYS_S)
        resumed = motion.motion_after(running.truth.tracks()[1], gone)
    reset_s = time.monotonic()
    if fault.expected in (*LATCHED, Expected.BOUNDED):
        running.release()
    running.injector.chunks.clear()
    running.wait_until_moving()
    if fault.expected in LATCHED and motion.starts_with_jump(running.truth.tracks()[1].part(reset_s)):
        problems.append("a reset began with a jump")
    if fault.expected is Expected.BOUNDED:
        running.settle()
    running.supervisor.check()
    return resumed


def _unnamed(running: Trial, fault: Fault) -> list[str]:
    """Texts of a fault that no status contains within NAMED_S."""
    deadline, missing = time.monotonic() + NAMED_S, list(fault.reported)
    while missing and time.monotonic() < deadline:
        said = " ".join(f"{s.message} {' '.join(s.values.values())}" for s in running.statuses().values())
        missing = [text for text in missing if text not in said]
        time.sleep(0.02)
    return missing


def _outside(running: Trial) -> int:
    """Number of commands outside a limit so far, from the drivers' limit monitors."""
    return sum(int(status.number("outside_limits") or 0) for status in running.statuses().values())


@dataclass(frozen=True)
class Speeds:
    """Speeds relative to their limits; see `Row`."""

    fastest: str
    speed: float
    limit: float
    driven: float
    problems: tuple[str, ...]


def _speeds(running: Trial, since: float) -> Speeds:
    """Judge the speeds of all joints; a joint moved by a contact may be faster than a servo may drive it."""
    truth = running.truth
    peaks = motion.peak_velocity(truth.tracks()[0], since)
    excess = motion.peak_velocity(motion.without_stalls(truth.excess()), since)
    fastest = int((peaks / truth.velocity).argmax())
    problems = tuple(
        f"{truth.names[j]} was driven to {excess[j]:.2f} of the permitted speed"
        for j in np.flatnonzero(excess > OVERSHOOT)
    )
    worst = float(excess.max())
    return Speeds(truth.names[fastest], float(peaks[fastest]), float(truth.velocity[fastest]), worst, problems)


def _acceleration(running: Trial, track: motion.Track, since: float) -> float:
    return float(motion.peak_acceleration(track, since)[running.truth.turning].max(initial=0.0))
