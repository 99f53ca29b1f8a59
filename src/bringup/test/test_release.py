"""Releasing the emergency stop: real driver nodes, each in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from std_msgs.msg import Bool

from node_kit.qos import LATCHED
from node_kit.testing import NodeProcess, Peer, until, write_plugin

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
    write_plugin(tmp_path, "hand_drivers.devices", "hot", FAULTY, "Device")

    def run(side: str, device: str, namespace: str = "") -> None:
        name, status = f"{side}_arm_driver", f"driver/{side}/arm"
        process = NodeProcess(tmp_path, "hand_drivers.node", name, status, namespace)
        process.start({"autostart": True, "side": side, "part": "arm", "embodiment": "xarm7", "device": device})
        processes.append(process)

    yield run
    for process in processes:
        process.close()


@pytest.fixture
def press() -> Iterator[Callable[[int], None]]:
    """Asserts the emergency stop once so many drivers subscribe to it, each by two subscriptions."""
    button = Peer("button")
    yield lambda drivers: button.publisher(Bool, "/estop", LATCHED, 2 * drivers).publish(Bool(data=True))
    button.close()


def release(*arguments: str) -> tuple[int, str]:
    """Exit status and output of the command."""
    done = subprocess.run([*RELEASE, *arguments], capture_output=True, text=True, timeout=60.0, check=False)
    return done.returncode, done.stdout + done.stderr


def test_every_driver_is_released_and_reset(start, press):
    start("left", "loopback")
    start("right", "loopback")
    press(2)
    assert until(lambda: release() == (0, "left_arm_driver: holding\nright_arm_driver: holding\n"))
    assert until(lambda: release() == (0, "left_arm_driver: not stopped\nright_arm_driver: not stopped\n"))


def test_one_that_refuses_is_named_with_its_reason(start, press):
    start("left", "loopback")
    start("right", "hot")
    press(2)
    refusal = "right_arm_driver: stays stopped: joint 3 is hot\n"
    assert until(lambda: release() == (1, f"left_arm_driver: not stopped\n{refusal}"))


def test_the_drivers_of_another_namespace_stay_as_they_are(start):
    start("left", "loopback", "robot1")
    hint = "error: found no driver of this namespace, expected one of the arguments namespace:=robot1\n"
    assert until(lambda: release() == (2, hint))
    assert release("namespace:=robot1") == (0, "robot1/left_arm_driver: not stopped\n")


def test_without_drivers_there_is_nothing_to_release(monkeypatch):
    status, output = release()
    assert status == 2 and output.startswith("error: found no driver")
