"""The demo: checks, brings the station up, shows it, and leaves a report, a video and a bag.

`python -m bringup.demo left_hand:=inspire right_hand:=ability task:=pick_place seconds:=150 --json out/demo.json`
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from bringup import graph, outputs, report, station
from bringup.cpu import CpuMeter
from bringup.monitor import Status
from bringup.session import FAILED, FINE, REFUSALS, REFUSED, Session, explain, prepare, run_graph
from bringup.supervisor import NodeDiedError, Supervisor
from bringup.table import View
from contracts import command_line

SECONDS = 60.0
LAST_NEWS_S = 3.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo of a command line; returns the exit status."""
    return command_line.run(command, arguments, name="demo")


def command(
    arguments: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME:=VALUE", help=" ".join(f"{n}:=..." for n in ("station", *station.ALIASES))),
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="also write the report there")] = None,
) -> int:
    """Check, bring the station up, show it, and leave a report, a video and a bag.

    Exit status: 0 success, 1 a failure during the run or robots that cannot move at its end, 2 a refusal before it,
    130 interrupted.
    """
    try:
        if json_file is not None:
            outputs.check_writable(json_file)
        session = prepare(arguments or [], SECONDS)
        hashes = {kind: report.sha256_of(Path(getattr(session.station, kind))) for kind in ("policy", "codec")}
    except REFUSALS as error:
        print(f"error: {error}", file=sys.stderr)
        return REFUSED
    print(f"run directory: {session.run.path}", flush=True)
    outcome, written = run_graph(session, lambda supervisor: watch(session, supervisor, hashes))
    if written is not None:
        outputs.write_report(written, session.run, json_file)
        outcome = FAILED if written.failed else FINE
    if written is not None and not written.died and session.station.record.enabled:
        return outcome if outputs.make_video(session.run) else FAILED
    return outcome


def watch(session: Session, supervisor: Supervisor, hashes: Mapping[str, str]) -> report.Report:
    """Show the run until its time is over or a node has died; returns the report."""
    meter = CpuMeter([*supervisor.running().values(), os.getpgrp()])
    seconds, monitor = session.station.seconds, supervisor.monitor
    monitor.begin()
    with View() as view:
        try:
            title = ", ".join(f"{side} {parts.hand.embodiment}" for side, parts in session.station.sides.items())
            show = lambda t: view.show(f"{title}: {t:.0f} of {seconds:g} s", monitor.snapshot())  # noqa: E731
            supervisor.wait(seconds, show)
        except NodeDiedError as error:
            explain(session, supervisor, error)
    # Everything but the images is read here: when the cameras stop, the drivers hold, which is not part of the run.
    statuses, rates, load, hops = monitor.snapshot(), monitor.mean_rates(), meter.percent(), monitor.hop_figures()
    counted = statuses if supervisor.died else _settled(session, supervisor)
    return report.build(session.station, statuses, report.images(counted), hashes, load, rates, hops, supervisor.died)


def _settled(session: Session, supervisor: Supervisor) -> dict[str, Status]:
    """Stop the cameras and wait for another report of both ends, so that the numbers of images can be compared."""
    supervisor.deactivate([node.name for node in session.nodes if node.stage == graph.CAMERAS])
    ends = [name for name in supervisor.monitor.snapshot() if name.startswith("camera/") or name == "policy"]
    supervisor.monitor.wait_for_news(ends, time.monotonic(), LAST_NEWS_S)
    return supervisor.monitor.snapshot()


if __name__ == "__main__":
    raise SystemExit(main())
