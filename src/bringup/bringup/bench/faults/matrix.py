"""`./ws bench faults [--only TEXT] [--json FILE]`: breaks a running graph in every way there is, and sees what it does.

The whole graph runs with the real drivers and their makers' libraries against emulated devices, at work on its task.
What the robots do is taken from the simulated world, past all drivers; what was commanded from the drivers' own audit.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from rich.table import Table

from bringup.bench.faults import motion
from bringup.bench.faults.catalogue import Expected, Fault, Group, groups
from bringup.bench.faults.trial import Trial, TrialError, trial
from bringup.session import FAILURES, REFUSALS
from latent_codec.measure.tables import wide_console

LIMIT_S = 0.3  # from a fault to standstill, and what braking takes
STAYS_S = 1.0  # after a fault is gone, before anyone resets
NAMED_S = 3.0
STOPPING = (Expected.STOPS, Expected.HOLDS, Expected.ENDS)


@dataclass(frozen=True)
class Row:
    """One fault. Speeds and accelerations are the largest of all turning joints from the fault on, rad/s and rad/s^2.

    `commands_stood_s` until the commands that reach the robots stand still, allowed: .3 s and the braking of the
    fastest joint at its limit. `standstill_s` until all joints rest, allowed: also what the simulated servos take to
    follow. Both None where nothing had to stop, or nothing stopped. `resumed`: something was
    commanded to move before it was to.
    """

    fault: str
    expected: str
    observed: str
    standstill_s: float | None
    commands_stood_s: float | None
    allowed_s: float | None
    settling_s: float | None
    max_speed: float
    max_acceleration: float
    resumed: bool
    passed: bool


FAILED = Row("", "", "", None, None, None, None, 0.0, 0.0, False, False)


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns 0 if every row passed."""
    options = _parse(arguments)
    console, rows, wanted = wide_console(), {}, options.only
    for _ in range(1 + options.again):
        for group in chosen(
            groups(), lambda fault: wanted in fault.name and not (rows.get(fault.name) or FAILED).passed
        ):
            for row in play(group, options.arguments, options.limit):
                rows[row.fault] = row
                console.print(_line(row), soft_wrap=True, highlight=False)
    console.print(table(rows.values()))
    if options.json is not None:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps({"rows": [asdict(row) for row in rows.values()]}, indent=1) + "\n")
    failed = sum(not row.passed for row in rows.values())
    console.print(f"{len(rows) - failed} of {len(rows)} rows passed")
    return 1 if failed or not rows else 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="faults", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--only", default="", metavar="TEXT", help="only faults whose name contains it")
    parser.add_argument(
        "--limit", type=float, default=LIMIT_S, metavar="S", help=f"time to stop in (default {LIMIT_S:g})"
    )
    parser.add_argument("--again", type=int, default=0, metavar="N", help="play rows that failed again, up to N times")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows there")
    parser.add_argument("arguments", nargs="*", metavar="name:=value", help="of the station, e.g. port:=48900")
    return parser.parse_args(arguments)


def chosen(of: Sequence[Group], wanted: Callable[[Fault], bool]) -> Iterator[Group]:
    """The groups with the faults that are wanted."""
    for group in of:
        faults = tuple(fault for fault in group.faults if wanted(fault))
        if faults:
            yield replace(group, faults=faults, stopped=group.stopped and faults[0] is group.faults[0])


def play(group: Group, arguments: Sequence[str], limit_s: float = LIMIT_S) -> Iterator[Row]:
    """One graph through its faults; after one that breaks it off, another goes on."""
    left = list(group.faults)
    given = [*group.arguments, "backend:=emulated", *arguments]
    while left:
        at_first = len(left) == len(group.faults)
        fault = left.pop(0)
        try:
            with trial(given, group.stopped and at_first, group.apart) as running:
                yield judge(running, fault, limit_s)
                while left:
                    fault = left.pop(0)
                    yield judge(running, fault, limit_s)
        except (*FAILURES, *REFUSALS, TrialError) as error:
            yield replace(FAILED, fault=fault.name, expected=str(fault.expected), observed=f"broke off: {error}")


def judge(running: Trial, fault: Fault, limit_s: float = LIMIT_S) -> Row:
    """One fault from its beginning to the end of it, and the robots at work again where that is expected."""
    if fault.moving:
        running.wait_until_moving()
    fault.prepare(running)
    outside = _outside(running)
    began = time.monotonic()
    fault.begin(running)
    time.sleep(fault.lasts_s)
    problems = [f"diagnostics do not say {text!r}" for text in _unnamed(running, fault)]
    joints, commands = running.truth.tracks()
    stop = _stop(running, joints, commands, began, limit_s) if fault.expected in STOPPING else Stop()
    problems += stop.problems
    if fault.expected is Expected.GOES_ON and not motion.moved_after(joints, time.monotonic() - 1.0):
        problems.append("the work did not go on")
    observed = "; ".join(f"{name} {state}" for name, state in sorted(running.driver_states().items()))
    fault.end(running)
    resumed = stop.resumed or _recover(running, fault, problems)
    outside = _outside(running) - outside
    problems += [f"{outside} commands outside a limit"] if outside else []
    problems += ["moved again by itself"] if resumed else []
    speed, acceleration = _peaks(running, joints, began)
    times = (stop.standstill_s, stop.commands_stood_s, stop.allowed_s, stop.settling_s)
    text = "; ".join([*problems, observed])
    return Row(fault.name, str(fault.expected), text, *times, speed, acceleration, resumed, not problems)


@dataclass(frozen=True)
class Stop:
    """How a stop went; see `Row`."""

    standstill_s: float | None = None
    commands_stood_s: float | None = None
    allowed_s: float | None = None
    settling_s: float | None = None
    resumed: bool = False
    problems: tuple[str, ...] = ()


def _stop(running: Trial, joints: motion.Track, commands: motion.Track, began: float, limit_s: float) -> Stop:
    """How the robots stopped, which they had to."""
    peaks, truth = motion.peak_velocity(joints, began), running.truth
    allowed = limit_s + float((peaks / truth.acceleration).max())
    settling = float((truth.lag_s * np.log(np.maximum(peaks / truth.rest, 1.0))).max())
    still, stood = motion.standstill_s(joints, began), motion.standstill_s(commands, began)
    if still is None or stood is None:
        return Stop(still, stood, allowed, settling, False, ("did not stop",))
    late = stood > allowed or still > allowed + settling
    resumed = motion.moved_after(commands, began + stood)
    return Stop(still, stood, allowed, settling, resumed, ("did not stop in time",) if late else ())


def _recover(running: Trial, fault: Fault, problems: list[str]) -> bool:
    """Back to work as it is expected; returns whether something moved before it was to."""
    if fault.expected is Expected.ENDS:
        problems += [] if running.ended() else ["the graph did not end"]
        return False
    resumed = False
    if fault.expected is Expected.STOPS:
        gone = time.monotonic()
        time.sleep(STAYS_S)
        resumed = motion.moved_after(running.truth.tracks()[1], gone)
    if fault.expected in (Expected.STOPS, Expected.BOUNDED):
        running.release()
    running.injector.chunks.clear()
    running.wait_until_moving()
    running.supervisor.check()
    return resumed


def _unnamed(running: Trial, fault: Fault) -> list[str]:
    """Which of the texts of a fault no status shows, after time enough for a report."""
    deadline, missing = time.monotonic() + NAMED_S, list(fault.reported)
    while missing and time.monotonic() < deadline:
        said = " ".join(f"{s.message} {' '.join(s.values.values())}" for s in running.statuses().values())
        missing = [text for text in missing if text not in said]
        time.sleep(0.02)
    return missing


def _outside(running: Trial) -> int:
    """Commands outside a limit so far, by the drivers' audits."""
    return sum(int(status.number("outside_limits") or 0) for status in running.statuses().values())


def _peaks(running: Trial, track: motion.Track, since: float) -> tuple[float, float]:
    turning = running.truth.turning
    peaks = motion.peak_velocity(track, since)[turning], motion.peak_acceleration(track, since)[turning]
    return float(peaks[0].max(initial=0.0)), float(peaks[1].max(initial=0.0))


def _line(row: Row) -> str:
    times = f" at rest after {row.standstill_s:.2f} s" if row.standstill_s is not None else ""
    return f"{'ok  ' if row.passed else 'FAIL'} {row.fault}:{times}{'' if row.passed else ' ' + row.observed}"


def table(rows: Iterable[Row]) -> Table:
    """The rows for people."""
    heads = (
        "commands stood s",
        "allowed s",
        "joints at rest s",
        "servos' lag s",
        "rad/s",
        "rad/s2",
        "resumed",
        "passed",
    )
    found = Table("fault", "expected", *heads)
    for row in rows:
        times = (row.commands_stood_s, row.allowed_s, row.standstill_s, row.settling_s)
        shown = ("" if value is None else f"{value:.3f}" for value in times)
        peaks = (f"{row.max_speed:.2f}", f"{row.max_acceleration:.1f}")
        verdicts = ("yes" if row.resumed else "no", "yes" if row.passed else "NO")
        found.add_row(row.fault, row.expected, *shown, *peaks, *verdicts)
    return found
