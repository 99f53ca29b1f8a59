"""`./ws bench runtime [--seconds 120] [--backend sim|emulated] [--json FILE] [name:=value ...]`: servo loop timing.

Measures the servo loops beside the full demo, and alone; docs/results/runtime.md describes the figures.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from bringup import report
from bringup.session import REFUSALS, REFUSED, Session
from contracts import command_line, hops, results
from system_tests.load import checks, idle, live, timing
from system_tests.load.stalls import SchedulerStalls, words
from system_tests.load.timing import Loop

IDLE_S = 10.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    return command_line.run(command, arguments, name="bench runtime")


def command(
    arguments: live.Arguments = None,
    seconds: Annotated[float, typer.Option(help="duration of the graph, s")] = 120.0,
    backend: Annotated[live.Backend, typer.Option(help="simulated or emulated robots")] = live.Backend.SIM,
    json_file: live.JsonFile = None,
    markdown: live.MarkdownFile = None,
) -> int:
    """Measure the timing of the servo loops beside the full demo, and alone.

    Exit status: 0 measured, even beyond a limit; 1 the graph failed, 2 a refusal before, 130 interrupted.
    """
    try:
        session = live.prepare([*(arguments or []), f"backend:={backend.value}"], seconds, json_file)
    except REFUSALS as error:
        print(f"error: {error}", file=sys.stderr)
        return REFUSED
    with SchedulerStalls() as stalls:
        alone = _alone(session, min(IDLE_S, seconds / 4))
        guard_us = idle.guard_us(session.station.servo.rt_priority)
        stall_ms = {"alone": stalls.take_ms()}
        outcome, reading = live.run(session)
        stall_ms["graph"] = stalls.take_ms()
    if reading is None:
        return outcome
    beside = _loops(session, reading)
    found = timing.judge(beside, alone, guard_us["p99"])
    if backend is live.Backend.SIM:  # emulated devices need as much CPU as the graph
        found += timing.judge_way(reading.hops)
    found += timing.judge_sum(reading.hops, timing.reported_ms(reading.running))
    figures = {**_figures(session, reading, beside, alone, guard_us), "scheduler_stall_ms": stall_ms}
    console = checks.console()
    show(console, figures, beside | alone)
    console.print(checks.table("limits", found))
    for what, found_ms in stall_ms.items():
        print(f"{what}: {words(found_ms)}")
    checks.write(json_file, figures, found)
    notes = [summary(figures), *(f"{what}: {words(found_ms)}" for what, found_ms in stall_ms.items())]
    used = results.command_line("./ws bench runtime")
    results.write(markdown, f"runtime {backend.value}", used, console.tables, notes)
    return outcome


def _alone(session: Session, seconds: float) -> dict[str, Loop]:
    parts, servo = next(iter(session.station.sides.values())), session.station.servo
    loops = {}
    for part, rate_hz in (("arm", servo.arm_rate_hz), ("hand", servo.hand_rate_hz)):
        name = getattr(parts, part).embodiment
        print(f"a loop of {name} alone at {rate_hz:g} Hz for {seconds:g} s", flush=True)
        loops[f"{part} alone"] = idle.idle_loop(part, name, rate_hz, seconds, servo.rt_priority)
    return loops


def _loops(session: Session, reading: live.Reading) -> dict[str, Loop]:
    servo, loops = session.station.servo, {}
    for name, status in sorted(reading.running.items()):
        kind, _, place = name.partition("/")
        if kind == "driver":
            asked_hz = getattr(servo, f"{place.split('/')[1]}_rate_hz")
            loops[place] = timing.loop(status, asked_hz, reading.rates.get(name))
    return loops


def _figures(
    session: Session,
    reading: live.Reading,
    beside: Mapping[str, Loop],
    alone: Mapping[str, Loop],
    guard_us: Mapping[str, float],
) -> dict[str, Any]:
    station = session.station
    hashes = {kind: report.sha256_of(Path(getattr(station, kind))) for kind in ("policy", "codec")}
    images = report.images(reading.settled)
    whole = report.build(station, reading.running, images, hashes, reading.cpu_percent, reading.rates, reading.hops)
    return {
        "backend": station.backend,
        "seconds": station.seconds,
        "machine": {"processor": platform.machine(), "cores": os.cpu_count(), "python": platform.python_version()},
        "loops": {name: found.figures() for name, found in beside.items()},
        "alone": {name: found.figures() for name, found in alone.items()},
        "guard_us": {"joints": timing.GUARD_JOINTS, **guard_us},
        "graph": whole.model_dump(exclude={"drivers", "died"}),
    }


def show(console: Console, figures: Mapping[str, Any], loops: Mapping[str, Loop]) -> None:
    """Print the figures."""
    title = f"servo loops, backend {figures['backend']}, {figures['seconds']:g} s; times in ms"
    columns = ("", "asked Hz", "Hz", "jitter p50", "p99", "% of period", "longest", "overruns", "step p50", "p99")
    table = checks.grid(title, *columns, "command to write p50", "p99", "overhead p50", "p99")
    for name, loop in loops.items():
        times = (*_two(loop.jitter), _words(loop.jitter_share, 100.0), _words(loop.longest_ms), str(loop.overruns))
        passage = (*_two(loop.work), *_two(loop.whole), *_two(loop.overhead))
        table.add_row(name, f"{loop.asked_hz:g}", _words(loop.rate_hz), *times, *passage)
    console.print(table)
    table = checks.grid("periods, % of all by their length in % of the period asked for", "", *timing.bins())
    for name, loop in loops.items():
        table.add_row(name, *timing.shares(loop.histogram))
    console.print(table)
    graph = figures["graph"]
    table = checks.grid("the graph; times in ms", "", "p50", "p99", "max")
    for name, found in graph["latency_ms"].items():
        table.add_row(name.replace("_", " "), *(_words(found[key]) for key in ("p50", "p99", "max")))
    table.add_row("motion guard, us", *(_words(figures["guard_us"][key]) for key in ("p50", "p99", "max")))
    console.print(table)
    console.print(way(graph["hops_ms"]))
    console.print(summary(figures))


def way(parts: Mapping[str, Mapping[str, Mapping[str, float]]]) -> Table:
    """The hops of a chunk, one per row, then their sums."""
    keys = ("p50", "p99", "mean")
    columns = [f"{part} {key}" if key == keys[0] else key for part in parts for key in keys]
    table = checks.grid("from the image's stamp to the first write; times in ms", "", *columns)
    for name in (*hops.HOPS, *hops.SUMS):
        cells = [_words(found[name][key]) for found in parts.values() for key in keys]
        table.add_row(name.replace("_", " "), *cells, end_section=name == hops.HOPS[-1])
    return table


def summary(figures: Mapping[str, Any]) -> str:
    """CPU, real-time factor and picks of the graph in one line."""
    graph = figures["graph"]
    return (
        f"processor: {graph['cpu_percent']:.0f} % of one core of {figures['machine']['cores']}; "
        f"real-time factor {_words(graph['real_time_factor'])}; "
        f"{graph['successes']} of {graph['picks']} picks in the tray"
    )


def _two(quantiles: timing.Quantiles) -> tuple[str, str]:
    return _words(quantiles["p50"]), _words(quantiles["p99"])


def _words(value: float | None, scale: float = 1.0) -> str:
    return "-" if value is None else f"{value * scale:.4g}"


if __name__ == "__main__":
    raise SystemExit(main())
