"""`./ws bench soak [--minutes 60] [--backend sim|emulated] [--json FILE] [name:=value ...]`: the full demo, without
recording, for a long time: does anything grow, pause or get lost? docs/results/runtime.md tells what the lines mean.

Exit status: 0 nothing does, 1 something does or the graph failed, 2 something was wrong before, 130 interrupted.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from bringup.monitor import Status
from bringup.session import FAILED, FINE, REFUSALS, REFUSED
from bringup.supervisor import Supervisor
from contracts import results
from contracts.results import TableConsole
from hand_drivers.servo import LONG_GAP_S
from system_tests.load import accounting, checks, live, usage
from system_tests.load.checks import Check
from system_tests.load.interruptions import Interruptions, Person
from system_tests.load.pauses import Pauses, words
from system_tests.load.usage import Usage

SHORTEST_MINUTES = 0.2


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs what a command line asks for; the exit status."""
    parser = live.parser("soak", __doc__)
    parser.add_argument("--minutes", type=float, default=60.0, help="how long (default: 60)")
    parser.add_argument("--backend", choices=("sim", "emulated"), default="emulated", help="default: emulated")
    parser.add_argument(
        "--excuse",
        type=float,
        default=math.inf,
        metavar="MS",
        help="do not judge gaps, and reset stops, that come while the machine itself stands still for longer",
    )
    options = parser.parse_args(arguments)
    if not options.minutes >= SHORTEST_MINUTES:
        print(f"error: --minutes: found {options.minutes:g}, expected at least {SHORTEST_MINUTES:g}", file=sys.stderr)
        return REFUSED
    try:
        given = [*options.arguments, f"backend:={options.backend}", "record:=false"]
        session = live.prepare(given, 60.0 * options.minutes, options.json)
    except REFUSALS as error:
        print(f"error: {error}", file=sys.stderr)
        return REFUSED
    used, pauses, person = Usage(session.station.seconds), Pauses(), Person()
    interruptions = Interruptions(options.excuse, pauses.take_ms, person.release)

    def observe(elapsed_s: float, supervisor: Supervisor) -> str:
        used.observe(elapsed_s, supervisor.running())
        interruptions.observe(elapsed_s, supervisor.monitor.snapshot())
        return f", {used.words()}"

    with pauses, person:
        outcome, reading = live.run(session, observe)
    if reading is None:
        return outcome
    found = judge(reading, used, interruptions.gaps)
    console = checks.console()
    show(console, reading, used, found)
    print(words(pauses.longest_ms()))
    if interruptions.stops:
        print(f"it stopped the robots {interruptions.stops} times, and they were reset")
    figures = _figures(session.station.seconds, options.backend, reading, used)
    still = {"stops": interruptions.stops, "gaps": interruptions.gaps, "longest_ms": pauses.longest_ms()}
    checks.write(options.json, {**figures, "machine_stood_still": still}, found)
    command = results.command_line("./ws bench soak", arguments)
    results.write(options.markdown, f"soak {options.backend}", command, console.tables, [words(pauses.longest_ms())])
    return FINE if all(check.ok for check in found) else FAILED


def judge(reading: live.Reading, used: Usage, excused: Mapping[str, int]) -> list[Check]:
    """All that has to hold at the end of a run; `excused` are the long gaps of drivers that are not judged."""
    return [
        *usage.judge(used),
        *streaks(reading.running, excused),
        *accounting.chunks(reading.settled),
        *accounting.drivers(reading.settled),
    ]


def streaks(statuses: Mapping[str, Status], excused: Mapping[str, int]) -> list[Check]:
    """The longest time each servo loop left its robot without a target: missed deadlines in a row."""
    found = {name: status for name, status in sorted(statuses.items()) if name.startswith("driver/")}
    return [_streak(name, status, excused.get(name, 0)) for name, status in found.items()]


def _streak(name: str, status: Status, excused: int) -> Check:
    longest, count, limit_ms = status.number("longest_period_ms"), status.number("long_gaps"), 1e3 * LONG_GAP_S
    what, asked = f"{name}: longest gap between two steps", f"at most {limit_ms:g} ms"
    if longest is None or count is None:
        return Check(what, "not reported", asked, False)
    found = f"{longest:.1f} ms, {count:.0f} over {limit_ms:g} ms"
    if excused:
        found += f", {excused} of them while the machine stood still"
    return Check(what, found, asked, longest <= limit_ms or count <= excused)


def show(console: TableConsole, reading: live.Reading, used: Usage, found: list[Check]) -> None:
    """Prints processes and verdicts."""
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
