"""A camera node in a process of its own, and a node that receives from it as the rest of the graph would."""

from __future__ import annotations

import json
import os
from pathlib import Path

from faulty_cameras import RATE_HZ
from lifecycle_msgs.msg import Transition
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image

from node_kit import messages, testing

NAME, TOPIC = "front_camera", "/camera/front"
DEPTH = f"{TOPIC}/aligned_depth_to_color/image_raw"
DEFAULTS = {"autostart": False, "name": "front", "source": "replay"}
# Deeper than the graph's own subscriptions: a test process that is late must not lose images.
READER = QoSProfile(depth=500)

PERIOD_NS = round(1e9 / RATE_HZ)


class CameraProcess(testing.NodeProcess):
    """Parameters as of the node, `options` as a mapping; a plug-in in `directory` (see `write_plugin`) is found."""

    def __init__(self, directory: Path, parameters: dict[str, object]) -> None:
        super().__init__(directory, "camera_node.node", NAME, status="camera/front")
        self.images = self.collect(Image, f"{TOPIC}/image_raw", READER)
        self.infos = self.collect(CameraInfo, f"{TOPIC}/camera_info", READER)
        path = os.pathsep.join([str(directory), str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
        parameters = {**DEFAULTS, **parameters, "options": json.dumps(parameters.get("options", {}))}
        self.start(parameters, {"PYTHONPATH": path, "MESA_SHADER_CACHE_DISABLE": "true"})

    def listen_best_effort(self) -> list[Image]:
        """Images as a second reader gets them, one that does not request lost messages again."""
        received: list[Image] = []
        reader = QoSProfile(depth=READER.depth, reliability=ReliabilityPolicy.BEST_EFFORT)
        self.node.create_subscription(Image, f"{TOPIC}/image_raw", received.append, reader)
        return received

    def listen_to_depth(self) -> list[Image]:
        """Pictures of depth as they come."""
        received: list[Image] = []
        self.node.create_subscription(Image, DEPTH, received.append, READER)
        return received

    def wait_for_state(self, state: str) -> None:
        self.wait_for(lambda: self.status.get("state") == state, f"the state {state}")

    def begin(self, *more: str) -> CameraProcess:
        """Configure, wait for the discovery of its topics, activate: no message is missed."""
        assert self.change_state(Transition.TRANSITION_CONFIGURE), self.stderr
        topics = (f"{TOPIC}/image_raw", f"{TOPIC}/camera_info", *more)
        self.wait_for(lambda: all(self.node.count_publishers(topic) for topic in topics), "discovery")
        assert self.change_state(Transition.TRANSITION_ACTIVATE), self.stderr
        return self

    @property
    def state_changes(self) -> list[tuple[int, str]]:
        """Changes of the state in `reports`: stamp (ns), state."""
        states = [(stamp, values["state"]) for stamp, values in self.reports]
        return [this for before, this in zip([(0, ""), *states], states, strict=False) if this[1] != before[1]]


def write_plugin(directory: Path, name: str, source: str) -> None:
    """A camera plug-in; `source` defines a class `Camera`."""
    testing.write_plugin(directory, "camera_node.sources", name, source, "Camera")


def expect_report(camera: CameraProcess, state: str) -> None:
    """Expect a report of the state, two frame periods after the last frame or later; the monitor tests check delays."""
    camera.wait_for_state(state)
    reported = next(when for when, what in camera.state_changes if what == state)
    stamps = [messages.stamp_ns(message.header) for message in camera.images]
    last = max(stamp for stamp in stamps if stamp <= reported)
    assert reported - last >= 1.8 * PERIOD_NS


def expect_report_of_fault(camera: CameraProcess, directory: Path, state: str) -> None:
    camera.wait_for_state("streaming")
    camera.wait_for(lambda: len(camera.images) > 5, "frames")
    camera.reports.clear()
    (directory / state).touch()
    expect_report(camera, state)
    (directory / state).unlink()
    camera.wait_for_state("streaming")
