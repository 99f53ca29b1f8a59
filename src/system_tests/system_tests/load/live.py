"""Runs a graph for a time and reads its diagnostics: shared by the benches of a running graph."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from bringup import graph, outputs, session, station
from bringup.cpu import CpuMeter
from bringup.monitor import Status
from bringup.session import Session
from bringup.supervisor import Supervisor
from bringup.table import View

SETTLE_S = 1.0  # beyond the longest latency from an image to the drivers
NEWS_S = 4.0

Observe = Callable[[float, Supervisor], str]
Arguments = Annotated[
    list[str] | None,
    typer.Argument(metavar="NAME:=VALUE", help=" ".join(f"{name}:=..." for name in ("station", *station.ALIASES))),
]
JsonFile = Annotated[Path | None, typer.Option("--json", metavar="FILE", help="write the figures there")]
MarkdownFile = Annotated[
    Path | None, typer.Option("--markdown", metavar="FILE", help="write the tables into this page")
]


class Backend(str, Enum):
    """Simulated robots, directly or behind emulated devices."""

    SIM = "sim"
    EMULATED = "emulated"


@dataclass(frozen=True)
class Reading:
    """Diagnostics of a graph.

    Attributes:
        running: Statuses while it ran.
        settled: Statuses after the cameras were stopped and all messages were received.
        rates: Mean rates, Hz.
        cpu_percent: CPU of all processes of the graph, per cent of one core.
        hops: Those of `HopTable.figures`.
    """

    running: dict[str, Status]
    settled: dict[str, Status]
    rates: dict[str, float]
    cpu_percent: float
    hops: dict[str, dict[str, dict[str, float]]]


def prepare(arguments: Sequence[str], seconds: float, json: Path | None) -> Session:
    """A checked run of a duration; nothing is started if it raises one of `session.REFUSALS`."""
    if json is not None:
        outputs.check_writable(json)
    return session.prepare([*arguments, f"seconds:={seconds}"])


def run(run_session: Session, observe: Observe = lambda elapsed_s, supervisor: "") -> tuple[int, Reading | None]:
    """Run the graph to the end of its time.

    Args:
        run_session: The run.
        observe: Called with elapsed time and supervisor a few times per second; its text is shown above the table.

    Returns:
        The exit status, and the diagnostics if the graph ran to its end.
    """
    return session.run_graph(run_session, lambda supervisor: _watch(run_session, supervisor, observe))


def _watch(run_session: Session, supervisor: Supervisor, observe: Observe) -> Reading:
    seconds, monitor = run_session.station.seconds, supervisor.monitor
    meter = CpuMeter([*supervisor.running().values(), os.getpgrp()])
    monitor.begin()
    with View() as view:

        def show(elapsed_s: float) -> None:
            words = observe(elapsed_s, supervisor)
            view.show(f"{elapsed_s:.0f} of {seconds:g} s{words}", monitor.snapshot())

        supervisor.wait(seconds, show)
    running, rates, load, hops = monitor.snapshot(), monitor.mean_rates(), meter.percent(), monitor.hop_figures()
    return Reading(running, _settled(run_session, supervisor), rates, load, hops)


def _settled(run_session: Session, supervisor: Supervisor) -> dict[str, Status]:
    """Stop the cameras, and wait until all messages are received and every part has reported after that."""
    supervisor.deactivate([node.name for node in run_session.nodes if node.stage == graph.CAMERAS])
    monitor = supervisor.monitor
    monitor.wait_for_news(monitor.snapshot(), time.monotonic() + SETTLE_S, SETTLE_S + NEWS_S)
    supervisor.check()
    return monitor.snapshot()
