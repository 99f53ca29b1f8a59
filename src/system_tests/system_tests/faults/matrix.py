"""`./ws bench faults [--only TEXT] [--json FILE]`: breaks a running graph in every way there is, and sees what it does.

The whole graph runs with the real drivers and their makers' libraries against emulated devices, at work on its task.
What the robots do is taken from the simulated world, past all drivers; what was commanded from the drivers' own audit.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path

from rich.table import Table

from bringup.session import FAILURES, INTERRUPTED, REFUSALS
from bringup.supervisor import NodeDiedError, StoppedError
from contracts import results
from contracts.files import write_atomic
from contracts.results import wide_console
from device_emulators.addresses import absent
from simulation.shared_world import WorldError
from system_tests.faults.catalogue import Group, groups
from system_tests.faults.fault import Fault
from system_tests.faults.judge import LIMIT_S, OUTSIDE, Row, judge
from system_tests.faults.trial import TrialError, trial
from system_tests.load.pauses import Pauses

FAILED = Row("", "", "", None, None, None, None, 0.0, 0.0, False, False)
UNPLAYED = replace(FAILED, observed="not played: interrupted")


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns 0 if every row that could be judged passed."""
    options = _parse(arguments)
    console = wide_console()
    wanted = list(chosen(part(groups(), *options.part), lambda fault: options.only in fault.name))
    here = [group for group in wanted if not absent(group.needs)]
    rows = {fault.name: replace(UNPLAYED, fault=fault.name) for group in here for fault in group.faults}
    interrupted = False
    try:
        for row in _played(here, options):
            rows[row.fault] = row
            console.print(_line(row), soft_wrap=True, highlight=False)
    except (StoppedError, KeyboardInterrupt):  # while a graph runs, and between two
        interrupted = True
        print("stopping", file=sys.stderr)
    console.print(table(rows.values()))
    unplayed = left_out(wanted)
    failed, unjudged = verdict(rows.values(), options.excuse)
    if options.json is not None:
        report = {"rows": [asdict(row) for row in rows.values()], "not_judged": unjudged, "left_out": unplayed}
        write_atomic(options.json, json.dumps(report, indent=1) + "\n")
    for fault, missing in unplayed.items():
        console.print(f"left out: {fault}: {' and '.join(missing)} not installed", soft_wrap=True, highlight=False)
    passed = f"{len(rows) - len(failed) - len(unjudged)} of {len(rows)} rows passed"
    console.print(passed)
    command = results.command_line("./ws bench faults", arguments)
    results.write(options.markdown, "faults", command, console.tables, [passed])
    if unjudged:
        console.print(f"not judged, the machine stood still: {', '.join(unjudged)}", soft_wrap=True, highlight=False)
    return INTERRUPTED if interrupted else 1 if failed or not rows else 0


def _played(of: Sequence[Group], options: argparse.Namespace) -> Iterator[Row]:
    """All rows as they come, each with how long the machine stood still."""
    with Pauses() as pauses:
        for group in of:
            for row in play(group, options.arguments, options.limit):
                yield replace(row, machine_stood_still_ms=pauses.take_ms())


def verdict(rows: Collection[Row], excuse_ms: float) -> tuple[list[str], list[str]]:
    """The faults that failed, and those that could not be judged: they failed while the machine itself stood still for
    longer than `excuse_ms`.

    Commands outside a limit and robots that move again by themselves are never excused, and nothing is when less than a
    quarter of all rows passed.
    """
    missed = [row for row in rows if not row.passed]

    def excused(row: Row) -> bool:
        return (row.machine_stood_still_ms or 0.0) > excuse_ms and not row.resumed and OUTSIDE not in row.observed

    if 4 * (len(rows) - len(missed)) < len(rows):
        return [row.fault for row in missed], []
    return [row.fault for row in missed if not excused(row)], [row.fault for row in missed if excused(row)]


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="faults", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--only", default="", metavar="TEXT", help="only faults whose name contains it")
    parser.add_argument(
        "--limit", type=float, default=LIMIT_S, metavar="S", help=f"time to stop in (default {LIMIT_S:g})"
    )
    parser.add_argument(
        "--part", type=_part, default=(1, 1), metavar="N/M", help="every M-th fault from the N-th on (default: all)"
    )
    parser.add_argument(
        "--excuse",
        type=float,
        default=math.inf,
        metavar="MS",
        help="do not judge rows that failed while the machine itself stood still for longer, unless three of four did",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows there")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table into this page")
    parser.add_argument("arguments", nargs="*", metavar="name:=value", help="of the station, e.g. port:=48900")
    return parser.parse_args(arguments)


def _part(text: str) -> tuple[int, int]:
    first, _, every = text.partition("/")
    if not (first.isdigit() and every.isdigit() and 1 <= int(first) <= int(every)):
        raise argparse.ArgumentTypeError(f"found {text!r}, expected N/M with N from 1 to M")
    return int(first), int(every)


def part(of: Sequence[Group], first: int, every: int) -> list[Group]:
    """The groups with every `every`-th fault of the whole matrix, from the `first`-th on, counted from 1."""
    faults = [fault for group in of for fault in group.faults][first - 1 :: every]
    return list(chosen(of, lambda fault: fault in faults))


def chosen(of: Sequence[Group], wanted: Callable[[Fault], bool]) -> Iterator[Group]:
    """The groups with the faults that are wanted."""
    for group in of:
        faults = tuple(fault for fault in group.faults if wanted(fault))
        if faults:
            yield replace(group, faults=faults, stopped=group.stopped and faults[0] is group.faults[0])


def left_out(of: Iterable[Group]) -> dict[str, list[str]]:
    """Faults that cannot be played here, and the modules that are not installed for them."""
    return {fault.name: missing for group in of if (missing := absent(group.needs)) for fault in group.faults}


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
                    running.supervisor.check()
                    yield judge(running, fault, limit_s)
            with suppress(NodeDiedError):  # it was to die, perhaps; who asks to stop is heard, while all ended too
                running.supervisor.check()
        except (*FAILURES, *REFUSALS, TrialError, WorldError) as error:
            yield replace(FAILED, fault=fault.name, expected=str(fault.expected), observed=f"broke off: {error}")


def _line(row: Row) -> str:
    times = f" at rest after {row.standstill_s:.2f} s" if row.standstill_s is not None else ""
    if row.passed:
        return f"ok   {row.fault}:{times}"
    stood = f"; the machine stood still for {row.machine_stood_still_ms or 0:.0f} ms"
    return f"FAIL {row.fault}:{times} {row.observed}{stood}"


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
