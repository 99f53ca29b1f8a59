"""`./ws bench soak [--minutes 60] [--backend sim|emulated] [--json FILE] [name:=value ...]`: the demo for a long time.

Checks for growth of memory, gaps of the servo loops and lost chunks; docs/results/runtime.md describes the checks.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from bringup.monitor import Status
from bringup.session import FAILED, FINE, REFUSALS, REFUSED
from bringup.supervisor import Supervisor
from contracts import command_line, results
from contracts.results import TableConsole
from hand_drivers.servo import LONG_GAP_S
from system_tests.load import accounting, checks, live, usage
from system_tests.load.checks import Check
from system_tests.load.interruptions import Interruptions, Operator
from system_tests.load.stalls import SchedulerStalls, words
from system_tests.load.usage import Usage

SHORTEST_MINUTES = 0.2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    return command_line.run(command, arguments, name="bench soak")


def command(
    arguments: live.Arguments = None,
    minutes: Annotated[float, typer.Option(help="duration, min")] = 60.0,
    backend: Annotated[live.Backend, typer.Option(help="simulated or emulated robots")] = live.Backend.EMULATED,
    excuse: Annotated[
        float,
        typer.Option(metavar="MS", help="do not judge gaps, and reset stops, during longer scheduler stalls"),
    ] = math.inf,
    json_file: live.JsonFile = None,
    markdown: live.MarkdownFile = None,
) -> int:
    """Run the demo for a long time, and check for growth of memory, gaps and lost chunks.

    Exit status: 0 all checks passed; 1 one failed, or the graph; 2 a refusal before, 130 interrupted.
    """
    if not minutes >= SHORTEST_MINUTES:
        print(f"error: --minutes: found {minutes:g}, expected at least {SHORTEST_MINUTES:g}", file=sys.stderr)
        return REFUSED
    try:
        given = [*(arguments or []), f"backend:={backend.value}", "record:=false"]
        session = live.prepare(given, 60.0 * minutes, json_file)
    except REFUSALS as error:
        print(f"error: {error}", file=sys.stderr)
        return REFUSED
    used, stalls, operator = Usage(session.station.seconds), SchedulerStalls(), Operator()
    interruptions = Interruptions(excuse, stalls.take_ms, operator.release)

    def observe(elapsed_s: float, supervisor: Supervisor) -> str:
        used.observe(elapsed_s, supervisor.running())
        interruptions.observe(elapsed_s, supervisor.monitor.snapshot())
        return f", {used.words()}"

    with stalls, operator:
        outcome, reading = live.run(session, observe)
    if reading is None:
        return outcome
    found = judge(reading, used, interruptions.gaps)
    console = checks.console()
    show(console, reading, used, found)
    print(words(stalls.longest_ms()))
    if interruptions.stops:
        print(f"stalls stopped the robots {interruptions.stops} times, and they were reset")
    figures = _figures(session.station.seconds, backend.value, reading, used)
    still = {"stops": interruptions.stops, "gaps": interruptions.gaps, "longest_ms": stalls.longest_ms()}
    checks.write(json_file, {**figures, "scheduler_stalls": still}, found)
    used_command = results.command_line("./ws bench soak")
    results.write(markdown, f"soak {backend.value}", used_command, console.tables, [words(stalls.longest_ms())])
    return FINE if all(check.ok for check in found) else FAILED


def judge(reading: live.Reading, used: Usage, excused: Mapping[str, int]) -> list[Check]:
    """All checks at the end of a run; `excused` are the numbers of long gaps of drivers that are not judged."""
    return [
        *usage.judge(used),
        *streaks(reading.running, excused),
        *accounting.chunks(reading.settled),
        *accounting.drivers(reading.settled),
    ]


def streaks(statuses: Mapping[str, Status], excused: Mapping[str, int]) -> list[Check]:
    """Check the longest gap of each servo loop: missed deadlines in a row."""
    found = {name: status for name, status in sorted(statuses.items()) if name.startswith("driver/")}
    return [_streak(name, status, excused.get(name, 0)) for name, status in found.items()]


def _streak(name: str, status: Status, excused: int) -> Check:
    longest, count, limit_ms = status.number("longest_period_ms"), status.number("long_gaps"), 1e3 * LONG_GAP_S
    what, asked = f"{name}: longest gap between two steps", f"at most {limit_ms:g} ms"
    if longest is None or count is None:
        return Check(what, "not reported", asked, False)
    found = f"{longest:.1f} ms, {count:.0f} over {limit_ms:g} ms"
    if excused:
        found += f", {excused} of them during scheduler stalls"
    return Check(what, found, asked, longest <= limit_ms or count <= excused)


def show(console: TableConsole, reading: live.Reading, used: Usage, found: list[Check]) -> None:
    """Print processes and checks."""
    table = checks.grid("processes, after the warm-up", "", "MB", "last", "MB/h", "MB growth", "threads", "files")
    for name, figures in usage.figures(used).items():
        first, last = figures["first"], figures["last"]
        memory = (f"{first['rss_mb']:.1f}", f"{last['rss_mb']:.1f}", f"{figures['slope_mb_h']:+.2f}")
        table.add_row(name, *memory, f"{figures['growth_mb']:+.2f}", str(last["threads"]), str(last["files"]))
    console.print(table)
    console.print(checks.table("verdicts", found))
    console.print(f"{_picks(reading)}; processor: {reading.cpu_percent:.0f} % of one core")
    failed = sum(not check.ok for check in found)
    console.print(f"{failed} of {len(found)} checks failed" if failed else f"all {len(found)} checks hold")


def _picks(reading: live.Reading) -> str:
    world = reading.running.get("simulation", Status("simulation"))
    return f"{world.values.get('successes', '-')} of {world.values.get('picks', '-')} picks in the tray"


def _figures(seconds: float, backend: str, reading: live.Reading, used: Usage) -> dict[str, Any]:
    return {
        "backend": backend,
        "seconds": seconds,
        "picks": _picks(reading),
        "cpu_percent": round(reading.cpu_percent, 1),
        "processes": usage.figures(used),
        "rates_hz": {name: round(rate, 2) for name, rate in reading.rates.items()},
        "counts": {name: dict(status.values) for name, status in reading.settled.items()},
    }


if __name__ == "__main__":
    raise SystemExit(main())
