"""The policy node in a process of its own, seen through its topics alone."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from policy_bundle import AXES, SIZE, write_bundle
from policy_toy import SPACE

rclpy = pytest.importorskip("rclpy")

from diagnostic_msgs.msg import DiagnosticArray  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from sensor_msgs.msg import Image, JointState  # noqa: E402
from trajectory_msgs.msg import JointTrajectory  # noqa: E402

from node_kit import messages, qos  # noqa: E402

pytestmark = pytest.mark.graph

PERIOD_S = 1 / 30
PATIENCE_S = 15.0
MS = 1_000_000


class World:
    """A camera and two codecs as the policy node hears them, and what it says."""

    def __init__(self) -> None:
        self.node = rclpy.create_node("world")
        self.executor = SingleThreadedExecutor()
        self.executor.add_node(self.node)
        self.images = self.node.create_publisher(Image, "/camera/front/image_raw", qos.IMAGE)
        self.states = {
            side: self.node.create_publisher(JointState, f"/{side}/latent_state", qos.STATE)
            for side in ("left", "right")
        }
        self.chunks: list[tuple[str, JointTrajectory]] = []
        for side in ("left", "right"):
            keep = lambda message, side=side: self.chunks.append((side, message))  # noqa: E731
            self.node.create_subscription(JointTrajectory, f"/{side}/latent_action", keep, qos.COMMAND)
        self.node.create_subscription(DiagnosticArray, "/diagnostics", self._diagnose, 10)
        self.values: dict[str, str] = {}
        self.sent: list[int] = []
        self.rng = np.random.default_rng(0)
        self.wrist, self.speed, self.space = 0.3, 0.0, SPACE

    def _diagnose(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if status.name == "policy":
                self.values = {item.key: item.value for item in status.values}

    def send(self, image: np.ndarray | None, age_ms: int) -> None:
        """One instant: both states now, and the image as old as asked."""
        now = time.time_ns()
        self.wrist += self.speed * PERIOD_S
        vector = np.full(len(AXES), 0.5)
        vector[:3] = self.wrist
        for publisher in self.states.values():
            publisher.publish(messages.joint_state(AXES, now - age_ms * MS, vector, frame_id=self.space))
        if image is None:
            image = self.rng.integers(1, 256, (*SIZE, 3), dtype=np.uint8)
        self.images.publish(messages.image(image, now - age_ms * MS, "front"))
        self.sent.append(now - age_ms * MS)

    def run_until(self, condition: Callable[[], bool], image: np.ndarray | None = None, age_ms: int = 0) -> bool:
        """Send at 30 Hz until the condition holds (True) or patience ends (False)."""
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            self.send(image, age_ms)
            due = time.monotonic() + PERIOD_S
            while (left := due - time.monotonic()) > 0:
                self.executor.spin_once(timeout_sec=left)
            if condition():
                return True
        return False

    def run_normally(self) -> None:
        """Fresh and changing images until chunks come."""
        self.speed, self.space = 0.0, SPACE
        self.chunks.clear()
        assert self.run_until(lambda: len(self.chunks) >= 6), f"no chunks, diagnostics: {self.values}"

    def refused(self, reason: str, **what: object) -> None:
        """Send `what` until diagnostics name the reason, then for 20 more frames: no chunk may come of them."""
        assert self.run_until(lambda: self.values.get("reason") == reason, **what), f"diagnostics: {self.values}"
        self.chunks.clear()
        self.sent.clear()
        assert self.run_until(lambda: len(self.sent) >= 20, **what)
        assert self.chunks == []


@pytest.fixture(scope="module")
def world(bundle: Path) -> Iterator[World]:
    rclpy.init()
    line = [sys.executable, "-m", "latent_policy_node.node", "--ros-args", "-p", "autostart:=true"]
    process = subprocess.Popen([*line, "-p", f"bundle:={bundle}"])
    world = World()
    try:
        yield world
    finally:
        process.terminate()
        code = process.wait(10)
        world.node.destroy_node()
        rclpy.try_shutdown()
    assert code == 0


@pytest.fixture(autouse=True)
def running(request: pytest.FixtureRequest) -> None:
    """Tests of the world begin with a policy that acts, which also shows that it recovered from the test before."""
    if "world" in request.fixturenames:
        request.getfixturevalue("world").run_normally()


def test_chunk_carries_stamp_of_its_image_and_the_latent_space(world: World) -> None:
    for side in ("left", "right"):
        message = next(message for name, message in reversed(world.chunks) if name == side)
        assert messages.stamp_ns(message.header) in world.sent
        assert message.header.frame_id == SPACE
        assert tuple(message.joint_names) == AXES


def test_chunks_come_at_most_every_period_and_often_enough_for_the_drivers(world: World) -> None:
    assert world.run_until(lambda: len(world.chunks) >= 30)
    stamps = sorted({messages.stamp_ns(message.header) for side, message in world.chunks if side == "left"})
    gaps = np.diff(stamps) / 1e9
    assert gaps.min() > 0.08
    assert np.median(gaps) < 0.2


def test_diagnostics_count_images_and_chunks(world: World) -> None:
    assert world.run_until(lambda: int(world.values.get("images_received", 0)) > 0 and world.values["reason"] == "")
    assert int(world.values["chunks"]) > 0
    assert 0 < float(world.values["inference_ms_p50"]) <= float(world.values["inference_ms_max"])


def test_stale_image_stops_the_policy(world: World) -> None:
    world.refused("stale_image", age_ms=400)


def test_frozen_camera_stops_the_policy(world: World) -> None:
    world.speed = 0.1
    world.refused("frozen_image", image=np.full((*SIZE, 3), 77, np.uint8))


def test_nan_from_the_model_is_never_published(world: World) -> None:
    world.refused("output_not_finite", image=np.zeros((*SIZE, 3), np.uint8))


def test_states_of_another_latent_space_are_ignored(world: World) -> None:
    world.space = "other@0123456789ab"
    assert world.run_until(lambda: world.values.get("reason") in ("latent_space", "stale_state"))
    world.chunks.clear()
    world.sent.clear()
    assert world.run_until(lambda: len(world.sent) >= 20)
    assert world.chunks == []


def refusal(*parameters: str) -> tuple[int, list[str]]:
    """Exit code of a node started with these parameters, and what it wrote to stderr."""
    given = [text for parameter in ("autostart:=true", *parameters) for text in ("-p", parameter)]
    line = [sys.executable, "-m", "latent_policy_node.node", "--ros-args", *given]
    result = subprocess.run(line, capture_output=True, text=True, timeout=30, check=False)
    return result.returncode, [text for text in result.stderr.splitlines() if text.startswith("error: ")]


def test_other_latent_space_than_the_codecs_is_refused_at_configure(bundle: Path) -> None:
    code, errors = refusal(f"bundle:={bundle}", "latent_space:=other@0123456789ab")
    assert code == 1
    assert len(errors) == 1
    assert SPACE in errors[0] and "other@0123456789ab" in errors[0] and "manifest.yaml" in errors[0]


def test_truncated_model_is_refused_at_configure(tmp_path: Path) -> None:
    model = write_bundle(tmp_path) / "policy.onnx"
    model.write_bytes(model.read_bytes()[:-10])
    code, errors = refusal(f"bundle:={tmp_path}")
    assert code == 1
    assert len(errors) == 1 and "policy.onnx: size" in errors[0]


def test_missing_bundle_is_refused_at_configure(tmp_path: Path) -> None:
    code, errors = refusal(f"bundle:={tmp_path / 'nowhere'}")
    assert code == 1
    assert len(errors) == 1 and "nowhere" in errors[0]
