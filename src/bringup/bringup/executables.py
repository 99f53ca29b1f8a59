"""The command that starts a ROS executable, from the built workspace or straight from source."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from bringup.graph import NodeDescription


class ExecutableError(LookupError):
    """No such executable, neither built nor on the Python path; one line."""


def command(package: str, executable: str) -> list[str]:
    """Argv that runs `executable` of `package`; ExecutableError when there is none.

    A Python entry point is started through this very interpreter, which needs no built workspace and no script;
    anything else (a driver written in C++) is looked up in `lib/<package>` of the ament prefixes.
    """
    entry = _entry_point(package, executable)
    if entry is not None:
        start = f"import sys; from {entry.module} import {entry.attr}; sys.exit({entry.attr}())"
        return [sys.executable, "-c", start]
    for prefix in filter(None, os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep)):
        file = Path(prefix) / "lib" / package / executable
        if file.is_file() and os.access(file, os.X_OK):
            return [str(file)]
    raise ExecutableError(
        f"{package}/{executable}: found no such executable, expected a built workspace that is sourced"
    )


def process_command(nodes: Sequence[NodeDescription], parameters: Path) -> list[str]:
    """Argv of a process of the graph; one of several nodes is told all their names."""
    first = nodes[0]
    if len(nodes) == 1:
        return node_command(first, parameters)
    names = [node.name for node in nodes]
    return command(first.package, first.executable) + [*names, "--ros-args", "--params-file", str(parameters)]


def node_command(node: NodeDescription, parameters: Path) -> list[str]:
    """Argv of a node of the graph: its name and the parameter file of the run are all it is told."""
    arguments = ["--ros-args", "-r", f"__node:={node.name}", "--params-file", str(parameters)]
    return command(node.package, node.executable) + arguments


def _entry_point(package: str, executable: str) -> EntryPoint | None:
    for entry in entry_points(group="console_scripts", name=executable):
        if entry.dist is not None and entry.dist.name.replace("-", "_") == package:
            return entry
    return None
