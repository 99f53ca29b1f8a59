"""Launches a small graph through the same actions as the launch files, as a process of its own."""

from __future__ import annotations

import sys
from pathlib import Path

from launch import LaunchDescription, LaunchService
from launch.actions import OpaqueFunction

from bringup import station
from bringup.graph import NodeDescription, parameters_text
from bringup.launching import actions
from bringup.paths import RunDirectory
from bringup.session import Session

NODES = [NodeDescription(name, "fakes", "lifecycle_node", {}, stage) for name, stage in (("first", 0), ("second", 1))]
NODES.append(NodeDescription("view", "fakes", "lifecycle_node", {}, 1, required=False))


def main() -> int:
    run = RunDirectory(Path(sys.argv[1]))
    run.parameters.write_text(parameters_text(NODES))
    session = Session(station.load("dual_xarm7", {"seconds": float(sys.argv[2])}), NODES, run)
    service = LaunchService()
    bring_up = OpaqueFunction(function=lambda context: actions(context, session))
    service.include_launch_description(LaunchDescription([bring_up]))
    return service.run()


if __name__ == "__main__":
    raise SystemExit(main())
