"""A camera node in a process of its own, and a node that hears it as the rest of the graph would."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from moods import RATE_HZ
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image

from node_kit import messages

NAME, TOPIC = "front_camera", "/camera/front"
DEPTH = f"{TOPIC}/aligned_depth_to_color/image_raw"
DEFAULTS = {"autostart": False, "name": "front", "source": "replay"}
# Deeper than the graph's own readers, so that a busy machine does not pass for images lost on the way.
READER = QoSProfile(depth=500)

PERIOD_NS = round(1e9 / RATE_HZ)
BUSY_NS = 150_000_000  # what a busy machine may add


class CameraProcess:
    """Parameters as of the node, `options` as a mapping; a plug-in in `directory` (see `write_plugin`) is found."""

    def __init__(self, directory: Path, parameters: dict[str, object]) -> None:
        self.images: list[Image] = []
        self.infos: list[CameraInfo] = []
        self.status: dict[str, str] = {}
        self.told: list[tuple[int, str]] = []  # changes of the state: when said (ns), which
        self._connect()  # first, so that the node knows these readers before it has anything to say
        self._stderr = directory / "stderr.txt"
        self.process = _spawn(directory, {**DEFAULTS, **parameters}, self._stderr)

    def _connect(self) -> None:
        self._context = Context()
        rclpy.init(context=self._context)
        self.node = rclpy.create_node("test", context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self.node.create_subscription(Image, f"{TOPIC}/image_raw", self.images.append, READER)
        self.node.create_subscription(CameraInfo, f"{TOPIC}/camera_info", self.infos.append, READER)
        self.node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, READER)
        self._states = self.node.create_client(ChangeState, f"/{NAME}/change_state")

    @property
    def stderr(self) -> str:
        return self._stderr.read_text()

    def wait_for(self, condition: Callable[[], object], what: str, seconds: float = 20.0) -> None:
        """Listen until `condition` holds; fails with `what` did not happen in time."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"{what} did not happen; status {self.status}; stderr: {self.stderr}"
            self._executor.spin_once(timeout_sec=0.02)

    def listen_best_effort(self) -> list[Image]:
        """Images as a second reader gets them, one that does not ask for what was lost."""
        heard: list[Image] = []
        reader = QoSProfile(depth=READER.depth, reliability=ReliabilityPolicy.BEST_EFFORT)
        self.node.create_subscription(Image, f"{TOPIC}/image_raw", heard.append, reader)
        return heard

    def listen_to_depth(self) -> list[Image]:
        """Pictures of depth as they come."""
        heard: list[Image] = []
        self.node.create_subscription(Image, DEPTH, heard.append, READER)
        return heard

    def wait_for_state(self, state: str) -> None:
        self.wait_for(lambda: self.status.get("state") == state, f"the state {state}")

    def change_state(self, transition: int) -> bool:
        self.wait_for(self._states.service_is_ready, "the node's start")
        request = ChangeState.Request()
        request.transition.id = transition
        future = self._states.call_async(request)
        self.wait_for(future.done, "the transition")
        return future.result().success

    def begin(self, *more: str) -> CameraProcess:
        """Configure, wait until its topics are heard, activate: nothing it publishes is missed."""
        assert self.change_state(Transition.TRANSITION_CONFIGURE), self.stderr
        topics = (f"{TOPIC}/image_raw", f"{TOPIC}/camera_info", *more)
        self.wait_for(lambda: all(self.node.count_publishers(topic) for topic in topics), "discovery")
        assert self.change_state(Transition.TRANSITION_ACTIVATE), self.stderr
        return self

    def signal(self, number: signal.Signals) -> int:
        """Send a signal and return the exit code."""
        self.process.send_signal(number)
        return self.process.wait(30.0)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(30.0)
        self._executor.shutdown()
        self.node.destroy_node()
        self._context.try_shutdown()

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if status.name == "camera/front":
                level = str(ord(status.level))
                values = {pair.key: pair.value for pair in status.values}
                self.status = {"level": level, "message": status.message} | values
                state = self.status.get("state", "")
                if not self.told or self.told[-1][1] != state:
                    self.told.append((messages.stamp_ns(message.header), state))


def write_plugin(directory: Path, name: str, source: str) -> None:
    """An installed package, as far as Python can tell: module `<name>_plugin` with a class `Camera`."""
    (directory / f"{name}_plugin.py").write_text(source)
    info = directory / f"{name}_plugin-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}-plugin\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[camera_node.sources]\n{name} = {name}_plugin:Camera\n")


def _spawn(directory: Path, parameters: dict[str, object], stderr: Path) -> subprocess.Popen:
    parameters["options"] = json.dumps(parameters.get("options", {}))
    # JSON is YAML; a file, since the command line would take a JSON string for a mapping.
    file = directory / "parameters.yaml"
    file.write_text(json.dumps({"/**": {"ros__parameters": parameters}}))
    command = [sys.executable, "-m", "camera_node.node", "--ros-args", "-r", f"__node:={NAME}"]
    path = os.pathsep.join([str(directory), str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    with stderr.open("w") as output:
        return subprocess.Popen(
            [*command, "--params-file", str(file)],
            env={**os.environ, "PYTHONPATH": path, "MESA_SHADER_CACHE_DISABLE": "true"},
            stderr=output,
        )


def expect_told_in_time(camera: CameraProcess, state: str) -> None:
    """Two periods after the last frame, and not before."""
    camera.wait_for_state(state)
    told = next(when for when, what in camera.told if what == state)
    stamps = [messages.stamp_ns(message.header) for message in camera.images]
    last = max(stamp for stamp in stamps if stamp <= told)
    assert 1.8 * PERIOD_NS <= told - last < 2 * PERIOD_NS + BUSY_NS


def expect_mood_told_in_time(camera: CameraProcess, directory: Path, state: str) -> None:
    camera.wait_for_state("streaming")
    camera.wait_for(lambda: len(camera.images) > 5, "frames")
    camera.told.clear()
    (directory / state).touch()
    expect_told_in_time(camera, state)
    (directory / state).unlink()
    camera.wait_for_state("streaming")
