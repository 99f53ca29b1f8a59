"""A checked run of a station: the demo, the supervisor and the benches of a running graph prepare and run it here."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from bringup import graph, preflight, station
from bringup.executables import ExecutableError
from bringup.lifecycle import BringUpError
from bringup.paths import RunDirectory
from bringup.processes import tail
from bringup.supervisor import NodeDiedError, StoppedError, Supervisor
from contracts.command_line import described
from contracts.errors import FileError
from contracts.station import DEFAULT_STATION, Station

FINE, FAILED, REFUSED, INTERRUPTED = 0, 1, 2, 130
REFUSALS = (FileError, station.ArgumentError, preflight.PreflightError)
FAILURES = (BringUpError, NodeDiedError, ExecutableError, OSError)
Watched = TypeVar("Watched")


@dataclass
class Session:
    """The station, the nodes and the files of a run."""

    station: Station
    nodes: list[graph.NodeDescription]
    run: RunDirectory


def prepare(arguments: Sequence[str], default_seconds: float = 0.0) -> Session:
    """The checked session of a command line; nothing runs and nothing is written when it raises one of REFUSALS."""
    overrides = station.parse_arguments(arguments)
    resolved = station.load(str(overrides.pop("station", DEFAULT_STATION)), overrides)
    if not resolved.seconds:
        resolved = resolved.model_copy(update={"seconds": default_seconds})
    preflight.check(resolved, graph.describe(resolved, Path("station.yaml")))
    try:
        run = RunDirectory.create()
        nodes = graph.describe(resolved, run.station, run.path / "bag")
        run.station.write_text(station.dump(resolved))
        run.parameters.write_text(graph.parameters_text(nodes))
    except OSError as error:
        raise preflight.PreflightError(f"run directory: {described(error)}") from None
    return Session(resolved, nodes, run)


def run_graph(session: Session, watch: Callable[[Supervisor], Watched]) -> tuple[int, Watched | None]:
    """Bring the graph up, watch it, and end all its processes.

    Args:
        session: The run.
        watch: Called once all nodes are active; the run ends with it.

    Returns:
        FINE and what `watch` returned; else FAILED or INTERRUPTED, after the reason was printed, and None.
    """
    with Supervisor(session.nodes, session.run) as supervisor:
        try:
            supervisor.start()
            supervisor.bring_up(lambda text: print(text, flush=True))
            return FINE, watch(supervisor)
        except StoppedError:
            print("stopping", file=sys.stderr)
            return INTERRUPTED, None
        except FAILURES as error:
            explain(session, supervisor, error)
            return FAILED, None


def explain(session: Session, supervisor: Supervisor, error: Exception) -> None:
    """Print the failure in one line, and the last lines of the process that ended first."""
    print(f"error: {described(error)}", file=sys.stderr)
    for end in supervisor.died[:1]:
        log = session.run.log(end.name)
        for line in tail(log):
            print(f"  {log.name}: {line}", file=sys.stderr)
