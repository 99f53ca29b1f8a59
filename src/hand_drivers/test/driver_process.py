"""A driver node in a process of its own, and a node that talks to it as the rest of the graph would."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.srv import ChangeState
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSProfile
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory

from embodiments import registry
from node_kit import messages, qos

DEFAULTS = {"autostart": True, "side": "left", "part": "arm", "embodiment": "xarm7", "device": "loopback"}
NAME = "left_arm_driver"


class DriverProcess:
    """Parameters as in `hand_drivers.settings`; a plug-in in ``directory`` (see ``write_plugin``) is found."""

    def __init__(self, directory: Path, parameters: dict[str, object]) -> None:
        self.robot = registry.load("xarm7", "left")
        self.home = np.array(self.robot.postures["home"])
        self._stderr = directory / "stderr.txt"
        self.process = _spawn(directory, {**DEFAULTS, **parameters}, self._stderr)
        self.states: list[messages.JointArrays] = []
        self.status: dict[str, str] = {}
        self._connect()

    def _connect(self) -> None:
        self._context = Context()
        rclpy.init(context=self._context)
        self.node = rclpy.create_node("test", context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self.node.create_subscription(JointState, "/left/arm/joint_states", self._on_state, qos.STATE)
        self.node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 10)
        self._commands = self.node.create_publisher(JointTrajectory, "/left/arm/command", qos.COMMAND)
        self._estop = self.node.create_publisher(Bool, "/estop", qos.LATCHED)

    # What it says

    @property
    def position(self) -> np.ndarray:
        return self.states[-1].position

    @property
    def stderr(self) -> str:
        return self._stderr.read_text()

    def wait_for(self, condition: Callable[[], object], what: str = "it", seconds: float = 30.0) -> None:
        """Listen until ``condition`` holds; fails with ``what`` did not happen in time."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"{what} did not happen; status {self.status}; stderr: {self.stderr}"
            self._executor.spin_once(timeout_sec=0.02)

    def listen(self, seconds: float) -> list[messages.JointArrays]:
        """The joint states of a stretch of time."""
        before, end = len(self.states), time.monotonic() + seconds
        self.wait_for(lambda: time.monotonic() >= end)
        return self.states[before:]

    def hear(self, count: int) -> list[messages.JointArrays]:
        """The next joint states."""
        before = len(self.states)
        self.wait_for(lambda: len(self.states) >= before + count, f"{count} joint states")
        return self.states[before:]

    def wait_until_ready(self) -> DriverProcess:
        self.wait_for(lambda: self.states and self._commands.get_subscription_count() > 0, "the start")
        return self

    def wait_for_status(self, **expected: str) -> None:
        self.wait_for(lambda: expected.items() <= self.status.items(), f"the status {expected}")

    # What it is told

    def send(self, points: np.ndarray, names: tuple[str, ...] | None = None, age_s: float = 0.0, step_s=0.1) -> None:
        points = np.atleast_2d(points)
        stamp = time.time_ns() - round(age_s * 1e9)
        times = step_s * np.arange(1, len(points) + 1)
        self._commands.publish(messages.joint_trajectory(names or self.robot.joints, stamp, times, points))

    def follow(self, target: np.ndarray, until: Callable[[], object], what: str = "the motion") -> None:
        """Send ``target`` ten times a second until a condition holds."""
        following = [0.0]

        def step() -> object:
            if time.monotonic() - following[0] >= 0.1:
                following[0] = time.monotonic()
                self.send(target)
            return until()

        self.wait_for(step, what)

    def start_moving(self) -> None:
        """Leave it under way to a target far away, with points left for 5 s."""
        far = self.home + 1.0
        self.send(np.linspace(self.home, far, 6)[1:], step_s=0.4)
        self.wait_for(lambda: np.abs(self.position - self.home).max() > 0.02, "the first motion")

    def estop(self, asserted: bool) -> None:
        self._estop.publish(Bool(data=asserted))

    def hear_estops(self) -> list[bool]:
        """What is said on /estop from now on."""
        heard: list[bool] = []
        self.node.create_subscription(Bool, "/estop", lambda message: heard.append(message.data), QoSProfile(depth=10))
        self.wait_for(lambda: self.node.count_publishers("/estop") >= 2, "discovery")
        return heard

    def estop_unlatched(self) -> None:
        """From a publisher that keeps nothing for late listeners."""
        publisher = self.node.create_publisher(Bool, "/estop", QoSProfile(depth=1))
        self.wait_for(lambda: publisher.get_subscription_count() > 0, "discovery")
        publisher.publish(Bool(data=True))

    def trigger(self, service: str) -> Trigger.Response:
        return self._call(Trigger, service, Trigger.Request())

    def release_and_reset(self) -> None:
        """As a person does, who tries again when a busy machine has made the driver stop once more meanwhile."""

        def resumed() -> bool:
            self.estop(False)
            return self.trigger("reset").success

        self.wait_for(resumed, "the reset")

    def change_state(self, transition: int) -> bool:
        request = ChangeState.Request()
        request.transition.id = transition
        return self._call(ChangeState, "change_state", request).success

    def _call(self, kind: type, service: str, request: object) -> object:
        client = self.node.create_client(kind, f"/{NAME}/{service}")
        self.wait_for(client.service_is_ready, f"the service {service}")
        future = client.call_async(request)
        self.wait_for(future.done, f"the answer of {service}")
        return future.result()

    def signal(self, number: signal.Signals) -> int:
        """Send a signal and return the exit code."""
        self.process.send_signal(number)
        return self.process.wait(10.0)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(10.0)
        self._executor.shutdown()
        self.node.destroy_node()
        self._context.try_shutdown()

    def _on_state(self, message: JointState) -> None:
        arrays, status = messages.joint_state_arrays(message, self.robot.joints)
        assert status is messages.MessageStatus.OK
        self.states.append(arrays)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if status.name == "driver/left/arm":
                self.status = {"message": status.message} | {pair.key: pair.value for pair in status.values}


def write_plugin(directory: Path, name: str, source: str) -> None:
    """An installed package, as far as Python can tell: module ``<name>_plugin`` with a class ``Device``."""
    (directory / f"{name}_plugin.py").write_text(source)
    info = directory / f"{name}_plugin-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}-plugin\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[hand_drivers.devices]\n{name} = {name}_plugin:Device\n")


def _spawn(directory: Path, parameters: dict[str, object], stderr: Path) -> subprocess.Popen:
    # JSON is YAML; a file, since the command line would take a JSON string for a mapping.
    file = directory / "parameters.yaml"
    file.write_text(json.dumps({"/**": {"ros__parameters": parameters}}))
    command = [sys.executable, "-m", "hand_drivers.node", "--ros-args", "-r", f"__node:={NAME}"]
    path = os.pathsep.join([str(directory), os.environ.get("PYTHONPATH", "")])
    with stderr.open("w") as output:
        return subprocess.Popen(
            [*command, "--params-file", str(file)], env={**os.environ, "PYTHONPATH": path}, stderr=output
        )
