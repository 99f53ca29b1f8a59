"""Records a running graph until Ctrl-C, with the station's recorder.

`python -m bringup.record [station:=dual_xarm7] [left_hand:=inspire ...]`, with the arguments of the graph, which
describe the robots in the bag. Bags are written to the station's `record.directory`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import replace

from bringup import graph, preflight, station
from bringup.environment import environment
from bringup.executables import ExecutableError, node_command
from bringup.paths import RunDirectory
from bringup.session import REFUSALS, REFUSED
from contracts.command_line import described
from contracts.station import DEFAULT_STATION, Station


def main(arguments: Sequence[str] | None = None) -> int:
    """Replace this process by the recorder; returns the exit status only if an error occurs before."""
    try:
        overrides = station.parse_arguments(sys.argv[1:] if arguments is None else arguments)
        resolved = station.load(str(overrides.pop("station", DEFAULT_STATION)), overrides | {"record": True})
        preflight.check_embodiments(resolved)
        command = prepare(resolved, RunDirectory.create())
    except (*REFUSALS, ExecutableError, OSError) as error:
        print(f"error: {described(error)}", file=sys.stderr)
        return REFUSED
    print(f"recording into {resolved.record.directory} until Ctrl-C", flush=True)
    os.execvpe(command[0], command, os.environ | environment(images=True))


def prepare(resolved: Station, run: RunDirectory) -> list[str]:
    """Write the recorder's input files into `run`; returns its command."""
    recorder = next(node for node in graph.describe(resolved, run.station) if node.package == "episodes")
    recorder = replace(recorder, parameters=recorder.parameters | {"autostart": True})
    run.station.write_text(station.dump(resolved))
    run.parameters.write_text(graph.parameters_text([recorder]))
    return node_command(recorder, run.parameters)


if __name__ == "__main__":
    raise SystemExit(main())
