"""Runs a graph without `ros2 launch`: starts, monitors and stops its processes.

The unexpected end of a process is detected within 50 ms: the emergency stop is published at once, the drivers brake,
and then all processes end in the reverse order of bring-up.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from types import FrameType

from bringup.environment import environment
from bringup.executables import process_command
from bringup.graph import NodeDescription, processes, required, stages
from bringup.lifecycle import DEACTIVATE, BringUpError, LifecycleManager
from bringup.monitor import Monitor
from bringup.paths import RunDirectory
from bringup.processes import Exit, Processes, tail
from bringup.ros_side import RosSide
from contracts.station import full_name
from node_kit import parent, shared_memory
from node_kit.main import StopFlag, stop_signals

BRAKING_S = 0.5  # time for the drivers to bring the robots to rest before their processes end
GRACE_S = 4.0
LISTENERS_S = 15.0


class StoppedError(Exception):
    """SIGINT, SIGTERM or SIGHUP was received."""


class NodeDiedError(Exception):
    """A process of the graph ended unexpectedly."""


class Supervisor:
    """One run of a graph; a context manager that ends all processes at its exit.

    Args:
        nodes: The nodes.
        run: Folder for parameters and logs.
        command: The command of a process with some nodes; by default the executables of the workspace.
    """

    def __init__(
        self,
        nodes: Sequence[NodeDescription],
        run: RunDirectory,
        command: Callable[[Sequence[NodeDescription]], list[str]] | None = None,
    ) -> None:
        self.monitor = Monitor()
        self.died: list[Exit] = []
        self._nodes, self._run = list(nodes), run
        self._command = command or (lambda nodes: process_command(nodes, run.parameters))
        self._process_of = {node.name: name for name, group in processes(nodes).items() for node in group}
        self._optional = {name for name, group in processes(nodes).items() if not required(group)}
        self._stop, self._death = StopFlag(), threading.Event()
        self._previous: dict[int, object] = {}
        self._ros: RosSide | None = None
        self._processes = Processes(self._on_death)
        self._manager: LifecycleManager | None = None

    def __enter__(self) -> Supervisor:
        for number in stop_signals():
            self._previous[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.shut_down()
        finally:
            for number, handler in self._previous.items():
                signal.signal(number, handler)  # type: ignore[arg-type]

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        # A second Ctrl-C ends all processes at once. Others come twice for one reason: `timeout` sends SIGTERM to
        # the process and to its group, and SIGHUP comes from the terminal and from the shell.
        if self._stop.asked and number == signal.SIGINT:
            for pid in self._processes.running().values():
                os.killpg(pid, signal.SIGKILL)
        self._stop.set()

    def _on_death(self, end: Exit) -> None:
        """Publish the emergency stop; called by the monitoring thread within 50 ms of the end of a process.

        The end of one without which the robots go on is a warning.
        """
        if end.name in self._optional:
            print(f"warning: {end}; the robots go on without it", file=sys.stderr, flush=True)
            return
        if self._ros is not None:
            self._ros.emergency_stop()
        self.died.append(end)
        self._death.set()

    def start(self) -> None:
        """Start all processes at the same time, and the supervisor's node."""
        shared_memory.remove_dead()
        env = {**os.environ, "PYTHONUNBUFFERED": "1", "ROS_LOG_DIR": str(self._run.logs / "ros")}
        env.pop(parent.VARIABLE, None)  # of a launch that may have ended; these processes end with this one
        for name, nodes in processes(self._nodes).items():
            own = environment(images=nodes[0].images)
            self._processes.start(name, self._command(nodes), self._run.log(name), env | own)
        self._ros = RosSide(self.monitor, self._nodes[0].namespace)

    def bring_up(self, progress: Callable[[str], None] = lambda text: None) -> None:
        """Activate all nodes.

        Raises:
            BringUpError: If a node fails.
            NodeDiedError: If a process ends.
            StoppedError: At SIGINT, SIGTERM or SIGHUP.
        """
        assert self._ros is not None, "start() comes first"
        self._manager = manager = LifecycleManager(
            self._ros.node, stages(required(self._nodes)), self.check, self.reason
        )
        manager.bring_up(progress, self._await_listeners)

    def _await_listeners(self) -> None:
        """Wait until all drivers have discovered the emergency stop, which would not reach them before."""
        assert self._ros is not None
        drivers, deadline = {node.name for node in self._nodes if node.moves}, time.monotonic() + LISTENERS_S
        while missing := sorted(drivers - self._ros.connected()):
            self.check()
            if time.monotonic() > deadline:
                topic = full_name(self._nodes[0].namespace, "estop")
                raise BringUpError(f"{topic}: not received by {', '.join(missing)} within {LISTENERS_S:g} s")
            time.sleep(0.01)

    def check(self) -> None:
        """Check whether the run has to end early.

        Raises:
            NodeDiedError: If a process ended.
            StoppedError: At SIGINT, SIGTERM or SIGHUP.
        """
        if self._stop.asked:
            raise StoppedError
        if self._death.is_set():
            raise NodeDiedError(str(self.died[0]))

    def wait(self, seconds: float, tick: Callable[[float], None], period_s: float = 0.25) -> None:
        """Wait for the end of the run.

        Args:
            seconds: Duration; 0: until stopped.
            tick: Called each period with the elapsed time, s.
            period_s: The period, s.

        Raises:
            NodeDiedError: If a process ended.
            StoppedError: At SIGINT, SIGTERM or SIGHUP.
        """
        start = time.monotonic()
        while (elapsed := time.monotonic() - start) < seconds or not seconds:
            self.check()
            tick(elapsed)
            self._pause(min(period_s, seconds - elapsed) if seconds else period_s)

    def _pause(self, duration_s: float) -> None:
        deadline = time.monotonic() + duration_s
        while time.monotonic() < deadline and not (self._death.is_set() or self._stop.asked):
            time.sleep(0.02)

    def deactivate(self, names: Sequence[str]) -> None:
        """Deactivate nodes; a node that refuses is ended by the shutdown."""
        try:
            if self._manager is not None:
                self._manager.change(names, DEACTIVATE)
        except BringUpError:
            return

    def running(self) -> dict[str, int]:
        """Process id of every running process by name."""
        return self._processes.running()

    def reason(self, name: str) -> str:
        """The last error that a node has logged, else that of its process, else the last line of the log."""
        lines = tail(self._run.log(self._process_of[name]), 50)
        errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
        own = [line for line in errors if f"/{name}" in line]
        return (own or errors or lines or [""])[-1]

    def shut_down(self) -> None:
        """End all processes in the reverse order of the stages, in bounded time; may be called again."""
        if self._stop.asked and self._ros is not None:
            self._ros.emergency_stop()  # sooner than drivers notice that commands are missing
        elif self._death.is_set() and self._processes.running():
            time.sleep(BRAKING_S)
        for names in reversed(stages(self._nodes)):
            self._processes.stop({self._process_of[name] for name in names}, GRACE_S)
        self._processes.close()
        if self._ros is not None:
            self._ros.close()
            self._ros = None
        shared_memory.remove_dead()
