"""Releasing the emergency stop: real driver nodes, each in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import rclpy
from bringup_helpers import until
from rclpy.context import Context
from std_msgs.msg import Bool

from node_kit.qos import LATCHED

pytestmark = pytest.mark.graph

RELEASE = [sys.executable, "-m", "bringup.release"]
FAULTY = """
from hand_drivers.devices.loopback import LoopbackDevice

class Device(LoopbackDevice):
    def fault(self):
        return "joint 3 is hot"
"""


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[str, str], None]]:
    """Starts a driver on a side."""
    processes = []
    (tmp_path / "hot_plugin.py").write_text(FAULTY)
    info = tmp_path / "hot_plugin-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: hot-plugin\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[hand_drivers.devices]\nhot = hot_plugin:Device\n")

    def run(side: str, device: str) -> None:
        values = {"autostart": True, "side": side, "part": "arm", "embodiment": "xarm7", "device": device}
        file = tmp_path / f"{side}.yaml"
        file.write_text(json.dumps({"/**": {"ros__parameters": values}}))
        argv = [sys.executable, "-m", "hand_drivers.node", "--ros-args", "-r", f"__node:={side}_arm_driver"]
        argv += ["--params-file", str(file)]
        processes.append(subprocess.Popen(argv, cwd=tmp_path))

    yield run
    for process in processes:
        process.kill()
        process.wait(10.0)


@pytest.fixture
def press() -> Iterator[Callable[[int], None]]:
    """Asserts the emergency stop once so many drivers listen."""
    context = Context()
    rclpy.init(context=context)
    node = rclpy.create_node("button", context=context)
    publisher = node.create_publisher(Bool, "/estop", LATCHED)

    def pressed(drivers: int) -> None:
        assert until(lambda: publisher.get_subscription_count() >= 2 * drivers, 30.0)
        publisher.publish(Bool(data=True))

    yield pressed
    node.destroy_node()
    context.try_shutdown()


def release() -> tuple[int, str]:
    """Exit status and output of the command."""
    done = subprocess.run(RELEASE, capture_output=True, text=True, timeout=60.0, check=False)
    return done.returncode, done.stdout + done.stderr


def test_every_driver_is_released_and_reset(start, press):
    start("left", "loopback")
    start("right", "loopback")
    press(2)
    assert until(lambda: release() == (0, "left_arm_driver: holding\nright_arm_driver: holding\n"), 30.0)
    assert until(lambda: release() == (0, "left_arm_driver: not stopped\nright_arm_driver: not stopped\n"), 30.0)


def test_one_that_refuses_is_named_with_its_reason(start, press):
    start("left", "loopback")
    start("right", "hot")
    press(2)
    refusal = "right_arm_driver: stays stopped: joint 3 is hot\n"
    assert until(lambda: release() == (1, f"left_arm_driver: not stopped\n{refusal}"), 30.0)


def test_without_drivers_there_is_nothing_to_release(monkeypatch):
    status, said = release()
    assert status == 2 and said.startswith("error: found no driver")
