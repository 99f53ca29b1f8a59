"""Runs a small graph under the supervisor until a stop is requested, as a process of its own."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from bringup.graph import NodeDescription
from bringup.paths import RunDirectory
from bringup.supervisor import StoppedError, Supervisor

HERE = Path(__file__).parent
NODES = [NodeDescription(name, "fake", "lifecycle_node", {}, stage) for name, stage in (("first", 0), ("second", 1))]


def command(nodes: Sequence[NodeDescription]) -> list[str]:
    return [sys.executable, str(HERE / "lifecycle_node.py"), *(node.name for node in nodes)]


def main() -> int:
    with Supervisor(NODES, RunDirectory(Path(sys.argv[1])), command) as supervisor:
        try:
            supervisor.start()
            supervisor.bring_up()
            print(" ".join(str(pid) for pid in supervisor.running().values()), flush=True)
            supervisor.wait(0.0, lambda elapsed: None)
        except StoppedError:
            return 130
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
