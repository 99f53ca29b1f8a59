"""A recorder node in a process of its own, and a node that publishes to it as the rest of the graph would."""

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
from episode_bags import ARM, metadata, picture
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.publisher import Publisher
from sensor_msgs.msg import Image
from std_srvs.srv import Trigger

from node_kit import messages, qos

IMAGE, STATES = "/camera/front/image_raw", "/left/arm/joint_states"


class RecorderProcess:
    """Records into ``directory``/bags unless told otherwise; ``parameters`` are the node's."""

    def __init__(self, directory: Path, parameters: dict[str, object]) -> None:
        self.bags = directory / "bags"
        self._stderr = directory / "stderr.txt"
        defaults = {
            "autostart": True,
            "topics": [IMAGE, STATES],
            "directory": str(self.bags),
            "metadata": metadata(None).model_dump_json(),
            "min_free_bytes": 0,
        }
        self.process = _spawn(directory, {**defaults, **parameters}, self._stderr)
        self.message, self.status = "", {}
        self._context = Context()
        rclpy.init(context=self._context)
        self.node = rclpy.create_node("test", context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self.node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 10)

    # What it says

    @property
    def stderr(self) -> str:
        return self._stderr.read_text()

    def wait_for(self, condition: Callable[[], object], what: str, seconds: float = 20.0) -> None:
        """Listen until ``condition`` holds; fails with ``what`` did not happen in time."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"{what} did not happen; status {self.status}; stderr: {self.stderr}"
            self._executor.spin_once(timeout_sec=0.02)

    def wait_for_messages(self, count: int) -> None:
        self.wait_for(lambda: self.status.get("messages") == str(count), f"the message {count}")

    def recorded(self) -> list[Path]:
        return sorted(self.bags.iterdir())

    # What it hears

    def publisher(self, kind: type, topic: str) -> Publisher:
        """A publisher that the recorder has found."""
        made = self.node.create_publisher(kind, topic, qos.IMAGE if kind is Image else qos.STATE)
        self.wait_for(lambda: made.get_subscription_count() > 0, f"the recorder's interest in {topic}")
        return made

    def send_states(self, publisher: Publisher, count: int, first: int = 0) -> None:
        """Joint states whose position and stamp are their number, 200 a second."""
        for number in range(first, first + count):
            publisher.publish(messages.joint_state(ARM, number, np.full(2, float(number))))
            self._pace(0.005)

    def send_images(self, publisher: Publisher, count: int, pace_s: float = 0.02) -> None:
        """Images whose stamp is their number, 50 a second unless told otherwise."""
        for number in range(count):
            publisher.publish(messages.image(picture(20 * number), number, "front"))
            self._pace(pace_s)

    def trigger(self, service: str) -> Trigger.Response:
        client = self.node.create_client(Trigger, f"/recorder/{service}")
        self.wait_for(client.service_is_ready, f"the service {service}")
        future = client.call_async(Trigger.Request())
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

    def _pace(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._executor.spin_once(timeout_sec=left)

    def _on_diagnostics(self, array: DiagnosticArray) -> None:
        for status in array.status:
            if status.name == "recorder":
                self.message = status.message
                self.status = {pair.key: pair.value for pair in status.values}


def _spawn(directory: Path, parameters: dict[str, object], stderr: Path) -> subprocess.Popen:
    # JSON is YAML; a file, since the command line would take a JSON string for a mapping.
    file = directory / "parameters.yaml"
    file.write_text(json.dumps({"/**": {"ros__parameters": parameters}}))
    command = [sys.executable, "-m", "episodes.recorder_node", "--ros-args", "--params-file", str(file)]
    with stderr.open("w") as output:
        return subprocess.Popen(command, env=dict(os.environ), stderr=output)
