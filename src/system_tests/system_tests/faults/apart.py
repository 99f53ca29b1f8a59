"""A graph without its world under a supervisor in a separate process, which can be killed.

`python -m system_tests.faults.apart RUN_DIRECTORY` runs the nodes of the station there until it is stopped.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from pathlib import Path

from bringup import graph
from bringup.paths import RunDirectory
from bringup.session import Session
from bringup.supervisor import StoppedError, Supervisor
from contracts.station import load_station
from system_tests.faults.injector import behind_injector

GONE_S = 6.0  # drivers brake and release their devices within 5 s


class Apart:
    """The process of the supervisor."""

    def __init__(self, session: Session) -> None:
        self._process = subprocess.Popen([sys.executable, "-m", "system_tests.faults.apart", str(session.run.path)])
        self._nodes: list[Path] = []

    def signal(self, number: int) -> None:
        """Send a signal."""
        self._nodes = children(self._process.pid)
        self._process.send_signal(number)

    def kill(self) -> None:
        """Send SIGKILL, unless it has ended, and wait for the end."""
        self._process.kill()
        self._process.wait()

    def left(self) -> list[Path]:
        """Nodes that still run after GONE_S."""
        deadline = time.monotonic() + GONE_S
        while (there := [node for node in self._nodes if node.exists()]) and time.monotonic() < deadline:
            time.sleep(0.01)
        return there


def children(parent: int) -> list[Path]:
    """Folders in /proc of the processes that `parent` started."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if int((entry / "stat").read_text().rpartition(")")[2].split()[1]) == parent:
                found.append(entry)
    return found


def main() -> int:
    """Run until stopped."""
    run = RunDirectory(Path(sys.argv[1]))
    station = load_station(run.station)
    nodes = [node for node in graph.describe(station, run.station) if node.stage > graph.EMULATORS]
    with Supervisor(nodes, run, behind_injector(station, run.parameters)) as supervisor:
        supervisor.start()
        supervisor.bring_up()
        with contextlib.suppress(StoppedError):
            supervisor.wait(0.0, lambda elapsed: None)
    return 0


if __name__ == "__main__":
    sys.exit(main())
