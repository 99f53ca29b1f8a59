"""The worked examples of the how-to pages run as they stand there."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from doc_pages import write_files

from bringup import paths
from camera_node.node import CameraNode
from contracts import plugins
from contracts.chunk import Chunk
from embodiments import registry
from hand_drivers.device import GROUP as DEVICES
from hand_drivers.device import DeviceError, DeviceSettings
from hand_drivers.driver import Driver
from hand_drivers.settings import DriverSettings, motion_limits
from hand_drivers.status import ChunkStatus, State
from latent_codec.codec import Codec
from node_kit.testing import until, write_plugin
from system_tests.fuzz.nodes import active, listening

pytestmark = pytest.mark.graph

HOW_TO = paths.workspace() / "docs" / "how_to"


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str, str, str], None]:
    """Install the example of a page as a plug-in, and write its other files."""

    def make(page: str, group: str, name: str, attribute: str) -> None:
        source, *_ = write_files(HOW_TO / page, tmp_path)
        write_plugin(tmp_path, group, name, source.read_text(), attribute)
        monkeypatch.syspath_prepend(str(tmp_path))

    return make


class JsonHand:
    """The device of the example's plug-in: joints that reach their targets immediately."""

    def __init__(self, joints: tuple[str, ...], position: np.ndarray) -> None:
        self._joints = dict(zip(joints, position.tolist(), strict=True))
        self.fault: str | None = None
        self.force = 0.0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Release the port."""
        self._listener.close()

    def _serve(self) -> None:
        connection, _ = self._listener.accept()
        with connection, connection.makefile("rw") as lines:
            for line in lines:
                question = json.loads(line)
                self._joints |= question.get("target", {})
                self.force = question.get("force", self.force)
                self.fault = None if "clear" in question else self.fault
                lines.write(json.dumps({"position": self._joints, "fault": self.fault}) + "\n")
                lines.flush()


@pytest.fixture
def robot() -> registry.Embodiment:
    return registry.load("inspire", "left")


@pytest.fixture
def hand(robot: registry.Embodiment) -> Iterator[JsonHand]:
    made = JsonHand(robot.joints, np.array(robot.postures["open"]))
    yield made
    made.close()


def test_the_device_example_follows_a_chunk_and_latches_its_fault(plugin, robot, hand):
    plugin("add_a_device.md", DEVICES, "json_hand", "make")
    options = {"force": 0.25, "answer_s": 1.0, "max_age_s": 2.0}
    settings = DeviceSettings(robot, "left", "hand", hand.address, options)
    driver = Driver(plugins.load(DEVICES, "json_hand")(settings), motion_limits(robot), DriverSettings(part="hand"))
    driver.start()
    target = 0.5 * (np.array(robot.postures["open"]) + np.array(robot.postures["pregrasp"]))
    begin_ns = time.time_ns()
    points, period_ns = np.array([target, target]), 10_000_000
    for step in range(100):  # one second of the driver's own time
        now_ns = begin_ns + step * period_ns
        if step % 10 == 0:
            chunk = Chunk(now_ns, np.array([0.0, 1.0]), points)
            assert driver.accept_chunk(chunk, now_ns) is ChunkStatus.ACCEPTED
        driver.tick(now_ns)
    assert driver.state is State.TRACKING and hand.force == 0.25
    np.testing.assert_allclose(driver.command.position, target, atol=1e-3)
    assert until(lambda: np.allclose(driver.device.read().position, target, atol=1e-3)), "the hand is not at its target"
    hand.fault = "too hot"
    assert until(driver.device.fault), "the fault is not reported"
    driver.tick(begin_ns + 101 * period_ns)
    assert driver.state is State.STOPPED and "too hot" in driver.reason
    driver.end()


def test_the_device_example_refuses_an_address_without_a_port(plugin, robot):
    plugin("add_a_device.md", DEVICES, "json_hand", "make")
    with pytest.raises(DeviceError, match="address: found 'somewhere', expected HOST:PORT"):
        plugins.load(DEVICES, "json_hand")(DeviceSettings(robot, "left", "hand", "somewhere"))


def test_the_camera_example_publishes_each_picture_with_its_own_stamp(plugin, tmp_path):
    plugin("add_a_camera.md", "camera_node.sources", "folder", "FolderCamera")
    folder = tmp_path / "pictures"
    folder.mkdir()
    parameters = {"name": "front", "source": "folder", "options": json.dumps({"path": str(folder), "rate_hz": 5.0})}
    with listening() as received, active(CameraNode, "front_camera", **parameters):
        for number in range(3):
            partial = tmp_path / "picture.png"
            cv2.imwrite(str(partial), np.full((4, 6, 3), 10 + number, np.uint8))
            partial.rename(folder / f"{number}.png")
            stamp_ns = (folder / f"{number}.png").stat().st_mtime_ns
            assert until(lambda stamp_ns=stamp_ns: stamp_ns in stamps(received)), f"picture {number} is not published"


def stamps(received: list) -> list[int]:
    """Stamps (ns) of the images that were published."""
    images = [message for topic, message in list(received) if topic == "/camera/front/image_raw"]
    return [message.header.stamp.sec * 1_000_000_000 + message.header.stamp.nanosec for message in images]


def test_the_recipe_example_trains_and_exports_a_bundle_that_loads(plugin, tmp_path):
    main = pytest.importorskip("latent_codec.training.main").main
    plugin("add_a_recipe.md", "latent_codec.recipes", "plain", "Plain")
    config = tmp_path / "plain.yaml"
    config.write_text(config.read_text().replace("steps: 2000", "steps: 20\nevaluation_poses: 20"))
    assert main(["--config", str(config), "--out", str(tmp_path / "bundle"), "--work", str(tmp_path / "work")]) == 0
    codec = Codec.load(tmp_path / "bundle")
    assert set(codec.hands) == {"inspire", "ability", "xarm_gripper"} and codec.latent_dim == 8
