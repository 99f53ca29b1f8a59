"""`./ws bench faults [--only TEXT] [--json FILE]`: injects faults into a running graph and judges its reaction.

The graph works on its task with the real drivers and their vendors' libraries, against emulated devices. The robots'
motion is read from the simulated world, independently of the drivers; commands are checked by the limit monitors.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from typing import Annotated

import typer
from rich.table import Table

from bringup.session import FAILURES, INTERRUPTED, REFUSALS
from bringup.supervisor import NodeDiedError, StoppedError
from contracts import command_line, results
from contracts.files import write_atomic
from contracts.results import wide_console
from device_emulators.addresses import absent
from simulation.shared_world import WorldError
from system_tests.faults.catalogue import Group, groups
from system_tests.faults.fault import Fault
from system_tests.faults.judge import LIMIT_S, OUTSIDE, Row, judge
from system_tests.faults.trial import TrialError, trial
from system_tests.load import live
from system_tests.load.stalls import SchedulerStalls

FAILED = Row("", "", "")
NOT_RUN = replace(FAILED, observed="not run: interrupted")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    return command_line.run(command, arguments, name="bench faults")


def command(
    arguments: live.Arguments = None,
    only: Annotated[str, typer.Option(metavar="TEXT", help="only faults whose name contains it")] = "",
    limit: Annotated[float, typer.Option(metavar="S", help="time to stop, s, in addition to the braking")] = LIMIT_S,
    every: Annotated[str, typer.Option("--part", metavar="N/M", help="every M-th fault from the N-th on")] = "1/1",
    excuse: Annotated[
        float,
        typer.Option(
            metavar="MS",
            help="do not judge rows that failed during a longer scheduler stall, unless three of four failed",
        ),
    ] = math.inf,
    json_file: live.JsonFile = None,
    markdown: live.MarkdownFile = None,
) -> int:
    """Inject faults into a running graph. Exit status 0: every row that could be judged passed."""
    console = wide_console()
    wanted = list(chosen(part(groups(), *parse_part(every)), lambda fault: only in fault.name))
    here = [group for group in wanted if not absent(group.needs)]
    rows = {fault.name: replace(NOT_RUN, fault=fault.name) for group in here for fault in group.faults}
    interrupted = False
    try:
        for row in _results(here, arguments or [], limit):
            rows[row.fault] = row
            console.print(_line(row), soft_wrap=True, highlight=False)
    except (StoppedError, KeyboardInterrupt):  # while a graph runs, and between two
        interrupted = True
        print("stopping", file=sys.stderr)
    console.print(table(rows.values()))
    skipped = left_out(wanted)
    failed, unjudged = verdict(rows.values(), excuse)
    if json_file is not None:
        report = {"rows": [asdict(row) for row in rows.values()], "not_judged": unjudged, "left_out": skipped}
        write_atomic(json_file, json.dumps(report, indent=1) + "\n")
    for fault, missing in skipped.items():
        console.print(f"left out: {fault}: {' and '.join(missing)} not installed", soft_wrap=True, highlight=False)
    passed = f"{len(rows) - len(failed) - len(unjudged)} of {len(rows)} rows passed"
    console.print(passed)
    results.write(markdown, "faults", results.command_line("./ws bench faults"), console.tables, [passed])
    if unjudged:
        console.print(f"not judged, scheduler stall: {', '.join(unjudged)}", soft_wrap=True, highlight=False)
    return INTERRUPTED if interrupted else 1 if failed or not rows else 0


def _results(of: Sequence[Group], arguments: Sequence[str], limit_s: float) -> Iterator[Row]:
    """Run all groups; yields each row with its longest scheduler stall."""
    with SchedulerStalls() as stalls:
        for group in of:
            for row in play(group, arguments, limit_s):
                yield replace(row, scheduler_stall_ms=stalls.take_ms())


def verdict(rows: Collection[Row], excuse_ms: float) -> tuple[list[str], list[str]]:
    """The faults that failed, and those that could not be judged, as they failed during a long scheduler stall.

    Commands outside a limit and motion before a reset are never excused, and nothing is if less than a quarter of all
    rows passed.

    Args:
        rows: The results.
        excuse_ms: Longest stall that does not excuse, ms.
    """
    missed = [row for row in rows if not row.passed]

    def excused(row: Row) -> bool:
        return (row.scheduler_stall_ms or 0.0) > excuse_ms and not row.resumed and OUTSIDE not in row.observed

    if 4 * (len(rows) - len(missed)) < len(rows):
        return [row.fault for row in missed], []
    return [row.fault for row in missed if not excused(row)], [row.fault for row in missed if excused(row)]


def parse_part(text: str) -> tuple[int, int]:
    """N and M of "N/M"."""
    first, _, every = text.partition("/")
    if not (first.isdigit() and every.isdigit() and 1 <= int(first) <= int(every)):
        raise typer.BadParameter(f"--part: found {text!r}, expected N/M with N from 1 to M")
    return int(first), int(every)


def part(of: Sequence[Group], first: int, every: int) -> list[Group]:
    """The groups with every `every`-th fault of the whole matrix, from the `first`-th on, counted from 1."""
    faults = [fault for group in of for fault in group.faults][first - 1 :: every]
    return list(chosen(of, lambda fault: fault in faults))


def chosen(of: Sequence[Group], wanted: Callable[[Fault], bool]) -> Iterator[Group]:
    """The groups with the selected faults."""
    for group in of:
        faults = tuple(fault for fault in group.faults if wanted(fault))
        if faults:
            yield replace(group, faults=faults, stopped=group.stopped and faults[0] is group.faults[0])


def left_out(of: Iterable[Group]) -> dict[str, list[str]]:
    """Faults that cannot run here, and the modules that are not installed for them."""
    return {fault.name: missing for group in of if (missing := absent(group.needs)) for fault in group.faults}


def play(group: Group, arguments: Sequence[str], limit_s: float = LIMIT_S) -> Iterator[Row]:
    """Run a graph through the faults of a group; after a fault that ends it, another one continues."""
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
            with suppress(NodeDiedError):  # may be expected; a stop request during the shutdown is not suppressed
                running.supervisor.check()
        except (*FAILURES, *REFUSALS, TrialError, WorldError) as error:
            yield replace(FAILED, fault=fault.name, expected=str(fault.expected), observed=f"broke off: {error}")


def _line(row: Row) -> str:
    times = f" at rest after {row.standstill_s:.2f} s" if row.standstill_s is not None else ""
    if row.passed:
        return f"ok   {row.fault}:{times}"
    return f"FAIL {row.fault}:{times} {row.observed}; scheduler stall {row.scheduler_stall_ms or 0:.0f} ms"


def table(rows: Iterable[Row]) -> Table:
    """The results as a table."""
    heads = (
        "commands at rest s",
        "allowed s",
        "joints at rest s",
        "servos' lag s",
        "fastest joint",
        "its speed",
        "its limit",
        "driven, of permitted",
        "rad/s2",
        "resumed",
        "passed",
    )
    found = Table("fault", "expected", *heads)
    for row in rows:
        times = (row.commands_at_rest_s, row.allowed_s, row.standstill_s, row.settling_s)
        shown = ("" if value is None else f"{value:.3f}" for value in times)
        peaks = (
            row.fastest,
            f"{row.max_speed:.2f}",
            f"{row.limit:.2f}",
            f"{row.driven_speed:.2f}",
            f"{row.max_acceleration:.1f}",
        )
        verdicts = ("yes" if row.resumed else "no", "yes" if row.passed else "NO")
        found.add_row(row.fault, row.expected, *shown, *peaks, *verdicts)
    return found
