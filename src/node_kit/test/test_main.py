"""A node in a process of its own: it ends when told to, with the right exit code and nothing on stderr."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest

NODE = """
import sys
from node_kit.lifecycle import Lifecycle
from node_kit.main import spin
from node_kit.parameters import Parameters

class Probe(Lifecycle):
    class Parameters(Parameters):
        mode: str = ""
    def configure(self, parameters):
        if parameters.mode == "refuse":
            raise ValueError("no such bundle")
        if parameters.mode == "break":
            self.keep(self.create_timer(0.01, lambda: 1 / 0))
    def activate(self): print("active", flush=True)
    def deactivate(self):
        print("stopped", flush=True)
        if self.get_parameter("mode").value == "hang":
            import threading
            threading.Event().wait()

sys.exit(spin(Probe, "probe"))
"""


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen]]:
    processes: list[subprocess.Popen] = []

    def run(mode: str = "run", autostart: bool = True, executor: str = "") -> subprocess.Popen:
        arguments = ["--ros-args", "-p", f"mode:={mode}", "-p", f"autostart:={str(autostart).lower()}"]
        environment = {**os.environ, "CROSSHAND_EXECUTOR": executor}
        command = [sys.executable, "-c", NODE, *arguments]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        processes.append(subprocess.Popen(command, env=environment, text=True, **pipes))
        return processes[-1]

    yield run
    for process in processes:
        process.kill()
        process.communicate()


def wait_until_active(process: subprocess.Popen) -> None:
    assert select.select([process.stdout], [], [], 20.0)[0], "it did not start in time"
    assert process.stdout.readline() == "active\n"


@pytest.mark.parametrize("executor", ["", "events"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_the_node_and_ends_with_0(start, number, executor):
    process = start(executor=executor)
    wait_until_active(process)
    process.send_signal(number)
    output, errors = process.communicate(timeout=10.0)
    assert (process.returncode, output, errors) == (0, "stopped\n", "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_that_go_on_until_the_process_is_gone_change_nothing(start, number):
    process = start()
    wait_until_active(process)
    while process.poll() is None:
        process.send_signal(number)
        time.sleep(0.002)
    output, errors = process.communicate(timeout=10.0)
    assert (process.returncode, output, errors) == (0, "stopped\n", "")


def test_a_node_that_refuses_to_configure_ends_with_1_and_one_line(start):
    output, errors = start("refuse").communicate(timeout=20.0)
    assert (output, errors) == ("", "error: node /probe: no such bundle\n")


def test_an_error_in_a_callback_stops_the_node_and_ends_with_1_and_one_line(start):
    process = start("break")
    output, errors = process.communicate(timeout=20.0)
    assert (process.returncode, output) == (1, "active\nstopped\n")
    assert errors == "error: node /probe: ZeroDivisionError: division by zero\n"


def test_a_node_that_hangs_at_its_end_is_cut_off(start):
    process = start("hang")
    wait_until_active(process)
    process.terminate()
    output, errors = process.communicate(timeout=20.0)
    assert process.returncode == 1
    assert errors == "error: shutdown took longer than 5 s\n"
