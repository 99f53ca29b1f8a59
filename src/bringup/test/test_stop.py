"""The command that stops all drivers: real driver nodes, each in a process of its own."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from std_srvs.srv import Trigger

from node_kit.testing import NodeProcess, Peer

pytestmark = pytest.mark.graph


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[str], NodeProcess]]:
    """Starts a driver on a side."""
    processes = []

    def run(side: str) -> NodeProcess:
        process = NodeProcess(tmp_path, "hand_drivers.node", f"{side}_arm_driver", status=f"driver/{side}/arm")
        process.start({"autostart": True, "side": side, "part": "arm", "embodiment": "xarm7", "device": "loopback"})
        process.wait_for_status(state="holding")
        processes.append(process)
        return process

    yield run
    for process in processes:
        process.close()


def run(module: str) -> tuple[int, str]:
    """Exit status and output of a command."""
    argv = [sys.executable, "-m", f"bringup.{module}"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60.0, check=False)
    return done.returncode, done.stdout + done.stderr


def test_every_driver_confirms_and_keeps_the_stop_until_the_release(start):
    drivers = [start("left"), start("right")]
    status, output = run("stop")
    assert (status, output.count(": stopped: emergency stop\n")) == (0, 2), output
    assert drivers[0].trigger("reset").message == "the emergency stop is still asserted"
    assert run("release") == (0, "left_arm_driver: holding\nright_arm_driver: holding\n")


def test_a_driver_that_does_not_confirm_is_named_with_exit_status_1(start):
    start("left")
    hanging = Peer("right_arm_driver")  # nobody spins it
    for service in ("stop", "reset"):
        hanging.node.create_service(Trigger, f"~/{service}", lambda request, response: response)
    status, output = run("stop")
    hanging.close()
    assert (status, output) == (
        1,
        "left_arm_driver: stopped: emergency stop\nright_arm_driver: not confirmed: no response\n",
    )


def test_a_driver_whose_process_is_frozen_is_named_with_exit_status_1(start):
    start("left").process.send_signal(signal.SIGSTOP)
    start("right")
    status, output = run("stop")
    assert (status, output) == (
        1,
        "right_arm_driver: stopped: emergency stop\nleft_arm_driver: not confirmed: no response\n",
    )


def test_if_all_processes_are_frozen_they_are_named_and_nothing_else(start):
    start("left").process.send_signal(signal.SIGSTOP)
    assert run("stop") == (1, "left_arm_driver: not confirmed: no response\n")


def test_without_drivers_nothing_confirms():
    status, output = run("stop")
    assert status == 2 and output.startswith("error: found no driver")
