"""The command that starts a ROS executable, from the built workspace or straight from source."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from bringup.graph import NodeDescription


class ExecutableError(LookupError):
    """An executable is neither built nor on the Python path; the text is one line."""


def command(package: str, executable: str) -> list[str]:
    """The command that runs an executable of a package.

    A Python entry point is started by this interpreter, which needs neither a built workspace nor a script; any other
    executable is searched for in `lib/<package>` of the ament prefixes.

    Raises:
        ExecutableError: If there is no such executable.
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
    """The command of a process of the graph; that of several nodes has their names as arguments."""
    first = nodes[0]
    if len(nodes) == 1:
        return node_command(first, parameters)
    names = [node.name for node in nodes]
    return [*command(first.package, first.executable), *names, *_ros_arguments(first, parameters)]


def node_command(node: NodeDescription, parameters: Path) -> list[str]:
    """The command of a node of the graph, with its name and the parameter file of the run."""
    arguments = _ros_arguments(node, parameters)
    return [*command(node.package, node.executable), *arguments, "-r", f"__node:={node.name}"]


def _ros_arguments(node: NodeDescription, parameters: Path) -> list[str]:
    """The arguments that the nodes of a process share."""
    namespace = ["-r", f"__ns:=/{node.namespace}"] if node.namespace else []
    return ["--ros-args", "--params-file", str(parameters), *namespace]


def _entry_point(package: str, executable: str) -> EntryPoint | None:
    for entry in entry_points(group="console_scripts", name=executable):
        if entry.dist is not None and entry.dist.name.replace("-", "_") == package:
            return entry
    return None
