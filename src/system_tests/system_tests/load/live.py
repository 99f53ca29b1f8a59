"""A whole graph run for a while and then read: what the benches of the running graph share."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bringup import graph, outputs, session, station
from bringup.cpu import CpuMeter
from bringup.monitor import Status
from bringup.session import FAILED, FAILURES, FINE, INTERRUPTED, Session
from bringup.station import ArgumentError
from bringup.supervisor import StoppedError, Supervisor
from bringup.table import View

SETTLE_S = 1.0  # the longest way of an image to the drivers, inference included, and some
NEWS_S = 4.0

Observe = Callable[[float, Supervisor], str]


@dataclass(frozen=True)
class Reading:
    """What the parts of a graph said: while it ran, and after the cameras were stopped and nothing was under way.

    `rates` are mean rates in Hz; `cpu_percent` is of one core, over all processes of the graph; `hops` are those of
    `HopTable.figures`.
    """

    running: dict[str, Status]
    settled: dict[str, Status]
    rates: dict[str, float]
    cpu_percent: float
    hops: dict[str, dict[str, dict[str, float]]]


def parser(name: str, description: str | None) -> argparse.ArgumentParser:
    """The arguments of every bench of a running graph."""
    made = argparse.ArgumentParser(prog=f"bench {name}", description=description)
    known = " ".join(f"{alias}:=…" for alias in ("station", *station.ALIASES))
    made.add_argument("arguments", nargs="*", metavar="name:=value", help=known)
    made.add_argument("--json", type=Path, metavar="FILE", help="write the same figures there")
    made.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables into this page")
    return made


def prepare(arguments: Sequence[str], seconds: float, json: Path | None) -> Session:
    """A checked run of so many seconds; nothing is started when it raises one of `session.REFUSALS`."""
    if json is not None:
        try:
            outputs.check_writable(json)
        except OSError as error:
            found = f"{str(json)!r} ({(error.strerror or 'an error').lower()})"
            raise ArgumentError(f"--json: found {found}, expected a file that can be written") from None
    return session.prepare([*arguments, f"seconds:={seconds}"])


def run(run_session: Session, observe: Observe = lambda elapsed_s, supervisor: "") -> tuple[int, Reading | None]:
    """Runs the graph to the end of its time: the exit status, and what it said if it ran to its end.

    `observe(elapsed_s, supervisor)` is called a few times a second; what it returns is shown above the table.
    """
    with Supervisor(run_session.nodes, run_session.run) as supervisor:
        try:
            supervisor.start()
            supervisor.bring_up(lambda text: print(text, flush=True))
            return FINE, _watch(run_session, supervisor, observe)
        except StoppedError:
            print("stopping", file=sys.stderr)
            return INTERRUPTED, None
        except FAILURES as error:
            session.explain(run_session, supervisor, error)
            return FAILED, None


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
    """Stops what sets all in motion, waits until nothing is under way and lets every part report after that."""
    supervisor.deactivate([node.name for node in run_session.nodes if node.stage == graph.CAMERAS])
    monitor = supervisor.monitor
    monitor.wait_for_news(monitor.snapshot(), time.monotonic() + SETTLE_S, SETTLE_S + NEWS_S)
    supervisor.check()
    return monitor.snapshot()
