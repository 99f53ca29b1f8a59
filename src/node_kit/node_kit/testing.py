"""Support for tests: a node in a process of its own, and a node of the test that talks to it.

Used by tests only. `src/conftest.py` gives every test process a ROS domain of its own.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.srv import GetParameters
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile
from std_srvs.srv import Trigger

from contracts.station import full_name
from node_kit import messages, udp_sockets

HANGING_S = 30.0  # far more than anything waited for takes: what reaches it hangs
REQUEST_AGAIN_S = 1.0
# A process that is killed may leave a lock in the shared memory of this one. Fast DDS gives it up after 1 s, and
# crashes if this participant is deleted meanwhile.
LOCK_S = 1.5
DIAGNOSTICS = QoSProfile(depth=100)

Process = TypeVar("Process", bound="NodeProcess")


def until(condition: Callable[[], object], seconds: float = HANGING_S) -> bool:
    """Wait for what another thread or process does.

    Args:
        condition: Asked about every 5 ms.
        seconds: How long to wait.

    Returns:
        Whether the condition became true in time.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True


def free_port() -> int:
    """A UDP port of this machine that nothing uses."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def write_plugin(directory: Path, group: str, name: str, source: str, attribute: str) -> None:
    """Write what Python takes for an installed package with one plug-in.

    Args:
        directory: Where; a `NodeProcess` of the same directory finds it.
        group: Entry point group, "hand_drivers.devices".
        name: Name of the plug-in.
        source: Python source of its module.
        attribute: What of the module is the plug-in.
    """
    (directory / f"{name}_plugin.py").write_text(source)
    info = directory / f"{name}_plugin-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}-plugin\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{group}]\n{name} = {name}_plugin:{attribute}\n")


class Peer:
    """A node of the test, in a context of its own, that talks to the node under test as the rest of the graph would."""

    def __init__(self, name: str = "test", namespace: str = "") -> None:
        self._context = Context()
        rclpy.init(args=[], context=self._context)
        with udp_sockets.created() as self._sockets:
            self.node = rclpy.create_node(name, context=self._context, namespace=namespace)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)

    def collect(self, kind: type, topic: str, profile: QoSProfile) -> list[Any]:
        """Subscribe to a topic; the list grows with each message that `wait_for` receives."""
        collected: list[Any] = []
        self.node.create_subscription(kind, topic, collected.append, profile)
        return collected

    def publisher(self, kind: type, topic: str, profile: QoSProfile, subscribers: int = 1) -> Publisher:
        """A publisher that so many subscribers have discovered."""
        made = self.node.create_publisher(kind, topic, profile)
        self.wait_for(lambda: made.get_subscription_count() >= subscribers, f"{subscribers} subscribers of {topic}")
        return made

    def wait_for(
        self, condition: Callable[[], object], what: str = "the condition", seconds: float = HANGING_S
    ) -> None:
        """Receive messages until a condition holds.

        Args:
            condition: Asked after each message, and every 20 ms.
            what: What the condition is, for the failure.
            seconds: How long to wait.

        Raises:
            AssertionError: The condition did not hold in time.
        """
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"{what} did not happen in {seconds:g} s; {self.explanation()}"
            self._executor.spin_once(timeout_sec=0.02)

    def listen(self, seconds: float) -> None:
        """Receive messages for a while."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._executor.spin_once(timeout_sec=left)

    def call(self, kind: type, service: str, request: object) -> Any:
        """Call a service of a node, "node/service", and return its response."""
        client = self.node.create_client(kind, service)
        self.wait_for(client.service_is_ready, f"the service {service}")
        self.wait_until_discovered_by(service.rsplit("/", 1)[0])
        future = client.call_async(request)
        self.wait_for(future.done, f"the response of {service}")
        return future.result()

    def wait_until_discovered_by(self, node: str) -> None:
        """Until the node knows every client of this peer: a response to one that it has not discovered is lost.

        It discovers them in the order of their creation, so the response to a later one shows that it knows them all.
        """
        client = self.node.create_client(GetParameters, f"{node}/get_parameters")
        self.wait_for(client.service_is_ready, f"the parameters of {node}")
        for _ in range(round(HANGING_S / REQUEST_AGAIN_S)):
            response = client.call_async(GetParameters.Request())
            self._executor.spin_until_future_complete(response, REQUEST_AGAIN_S)
            if response.done():
                return
        raise AssertionError(f"no response of {node} in {HANGING_S:g} s; {self.explanation()}")

    def explanation(self) -> str:
        """Additional text of a failure."""
        return ""

    def close(self) -> None:
        """Leave the graph."""
        self._executor.shutdown()
        udp_sockets.stop_receiving(self._sockets)
        self.node.destroy_node()
        self._context.try_shutdown()


class BackgroundPeer(Peer):
    """A peer whose callbacks run in a thread of its own, from `start` on."""

    def start(self) -> None:
        """Begin to receive."""
        self._thread = threading.Thread(target=self._executor.spin, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Leave the graph."""
        self._executor.shutdown()
        self._thread.join(HANGING_S)
        super().close()


class NodeProcess(Peer):
    """One node of the workspace in a process of its own, with a peer that reads its diagnostics.

    Subscribe before `start`, and nothing that the node publishes is missed.
    """

    def __init__(self, directory: Path, module: str, name: str, status: str, namespace: str = "") -> None:
        """Prepare, without starting the process.

        Args:
            directory: For parameters and stderr; plug-ins that `write_plugin` wrote there are found.
            module: Python module that runs the node, "hand_drivers.node".
            name: Name that the node is given.
            status: Name of its status in the diagnostics.
            namespace: Of the node and the peer, without a slash at its beginning.
        """
        super().__init__(namespace=namespace)
        self.name = name
        self._namespace, self._stem = namespace, full_name(namespace, name).strip("/").replace("/", "_")
        self.reports: list[tuple[int, dict[str, str]]] = []  # stamp (ns) and content of each of its diagnostics
        self._directory, self._module, self._status = directory, module, status
        self._stderr = directory / f"{self._stem}.stderr"
        self.node.create_subscription(DiagnosticArray, "diagnostics", self._on_diagnostics, DIAGNOSTICS)

    def start(self, parameters: Mapping[str, object], environment: Mapping[str, str] | None = None) -> None:
        """Start the process."""
        # JSON is YAML; a file, since the command line would take a JSON string for a mapping.
        file = self._directory / f"{self._stem}.yaml"
        file.write_text(json.dumps({"/**": {"ros__parameters": dict(parameters)}}))
        names = ["-r", f"__node:={self.name}", "-r", f"__ns:=/{self._namespace}"]
        arguments = ["--ros-args", *names, "--params-file", str(file)]
        path = os.pathsep.join([str(self._directory), os.environ.get("PYTHONPATH", "")])
        env = {**os.environ, "PYTHONPATH": path, **(environment or {})}
        with self._stderr.open("w") as output:
            self.process = subprocess.Popen([sys.executable, "-m", self._module, *arguments], env=env, stderr=output)

    @property
    def stderr(self) -> str:
        """What the process has written to stderr."""
        return self._stderr.read_text()

    def explanation(self) -> str:
        """Status and stderr."""
        return f"status {self.status}; stderr: {self.stderr}"

    @property
    def status(self) -> dict[str, str]:
        """The newest of `reports`, with `message` and `level` among the values; empty before the first."""
        return self.reports[-1][1] if self.reports else {}

    def wait_for_status(self, **expected: str) -> None:
        """Until `status` has these values."""
        self.wait_for(lambda: expected.items() <= self.status.items(), f"the status {expected}")

    def trigger(self, service: str) -> Trigger.Response:
        """Call one of the node's own services without arguments."""
        return self.call(Trigger, f"{self.name}/{service}", Trigger.Request())

    def change_state(self, transition: int) -> bool:
        """Request a transition of the life cycle; whether it succeeded."""
        request = ChangeState.Request()
        request.transition.id = transition
        return self.call(ChangeState, f"{self.name}/change_state", request).success

    def signal(self, number: signal.Signals) -> int:
        """Send a signal and return the exit code."""
        self.process.send_signal(number)
        return self.process.wait(HANGING_S)

    def exit_code(self) -> int:
        """Wait for the end of the process and return its exit code."""
        return self.process.wait(HANGING_S)

    def close(self) -> None:
        """End the process, whatever its state, and leave the graph."""
        if self.process.poll() is None:
            self._end()
        if self.process.returncode == -signal.SIGKILL:
            self.listen(LOCK_S)
        super().close()

    def _end(self) -> None:
        """End the process in order, or else by force."""
        self.process.send_signal(signal.SIGCONT)
        self.process.terminate()
        try:
            self.process.wait(HANGING_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(HANGING_S)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if status.name == self._status:
                values = {pair.key: pair.value for pair in status.values}
                values |= {"message": status.message, "level": str(ord(status.level))}
                self.reports.append((messages.stamp_ns(message.header), values))


def process_starter(
    kind: Callable[[Path, dict[str, object]], Process], directory: Path
) -> Iterator[Callable[..., Process]]:
    """For a fixture: yields a function that starts node processes with its arguments as parameters, and ends them all.

    Args:
        kind: Makes a process of a folder and parameters.
        directory: The folder.
    """
    started: list[Process] = []

    def start(**parameters: object) -> Process:
        started.append(kind(directory, parameters))
        return started[-1]

    yield start
    for process in started:
        process.close()
