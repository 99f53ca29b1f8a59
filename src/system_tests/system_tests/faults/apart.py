"""A graph without its world, under a supervisor in a process of its own: so that this process can be killed.

`python -m system_tests.faults.apart RUN_DIRECTORY` runs the nodes of the station there until it is ended.
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

GONE_S = 6.0  # drivers brake and let go of their devices, for 5 s at most


class Apart:
    """The other process; `kill` ends it as nobody can handle."""

    def __init__(self, session: Session) -> None:
        self._process = subprocess.Popen([sys.executable, "-m", "system_tests.faults.apart", str(session.run.path)])
        self._nodes: list[Path] = []

    def kill(self) -> None:
        """SIGKILL, once."""
        if self._process.poll() is None:
            self._nodes = children(self._process.pid)
            self._process.kill()
            self._process.wait()

    def left(self) -> list[Path]:
        """Which of its nodes are still there, after time enough for them to end."""
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
    nodes = graph.describe(load_station(run.station), run.station)
    with Supervisor([node for node in nodes if node.stage > graph.EMULATORS], run) as supervisor:
        supervisor.start()
        supervisor.bring_up()
        with contextlib.suppress(StoppedError):
            supervisor.wait(0.0, lambda elapsed: None)
    return 0


if __name__ == "__main__":
    sys.exit(main())
