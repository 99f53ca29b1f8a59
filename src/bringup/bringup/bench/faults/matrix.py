"""`./ws bench faults [--only TEXT] [--json FILE]`: breaks a running graph in every way there is, and sees what it does.

The whole graph runs with the real drivers and their makers' libraries against emulated devices, at work on its task.
What the robots do is taken from the simulated world, past all drivers; what was commanded from the drivers' own audit.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from rich.table import Table

from bringup.bench.faults.catalogue import Group, groups
from bringup.bench.faults.fault import Fault
from bringup.bench.faults.judge import LIMIT_S, Row, judge
from bringup.bench.faults.trial import TrialError, trial
from bringup.session import FAILURES, REFUSALS
from latent_codec.measure.tables import wide_console
from simulation.emulated_places import absent

FAILED = Row("", "", "", None, None, None, None, 0.0, 0.0, False, False)


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns 0 if every row passed."""
    options = _parse(arguments)
    console, rows = wide_console(), {}
    wanted = list(chosen(groups(), lambda fault: options.only in fault.name))
    here = [group for group in wanted if not absent(group.needs)]
    for _ in range(1 + options.again):
        for group in chosen(here, lambda fault: not (rows.get(fault.name) or FAILED).passed):
            for row in play(group, options.arguments, options.limit):
                rows[row.fault] = row
                console.print(_line(row), soft_wrap=True, highlight=False)
    console.print(table(rows.values()))
    unplayed = left_out(wanted)
    if options.json is not None:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        report = {"rows": [asdict(row) for row in rows.values()], "left_out": unplayed}
        options.json.write_text(json.dumps(report, indent=1) + "\n")
    for fault, missing in unplayed.items():
        console.print(f"left out: {fault}: {' and '.join(missing)} not installed", soft_wrap=True, highlight=False)
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
                    yield judge(running, fault, limit_s)
        except (*FAILURES, *REFUSALS, TrialError) as error:
            yield replace(FAILED, fault=fault.name, expected=str(fault.expected), observed=f"broke off: {error}")


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
