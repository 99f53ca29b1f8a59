"""A node in a process of its own: it ends on a signal, with the right exit code and nothing on stderr."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.msg import Log

from node_kit import qos
from node_kit.parent import VARIABLE
from node_kit.testing import Peer

pytestmark = pytest.mark.graph

NODE = """
import ctypes
import sys
import threading
from node_kit.lifecycle import Lifecycle
from node_kit.main import spin
from node_kit.parameters import Parameters

def report(line):  # whole lines: threads of two nodes print them
    sys.stdout.write(line + "\\n")
    sys.stdout.flush()

def block():
    report("blocked")
    threading.Event().wait()

class Probe(Lifecycle):
    class Parameters(Parameters):
        mode: str = ""
    def configure(self, parameters):
        if parameters.mode == "refuse":
            raise ValueError("no such bundle")
        if parameters.mode == "break":
            self.keep(self.create_timer(0.01, lambda: 1 / 0))
        if parameters.mode == "block":
            self.keep(self.create_timer(0.01, block))
        if parameters.mode == "tick":
            self.keep(self.create_timer(0.01, lambda: report("tick")))
    def activate(self): report("active")
    def deactivate(self):
        report("stopped")
        if self.get_parameter("mode").value == "hang":
            threading.Event().wait()
        if self.get_parameter("mode").value == "seize":
            ctypes.PyDLL(None).sleep(3600)  # unlike CDLL, this holds the interpreter lock

sys.exit(spin(Probe, "probe"))
"""


@pytest.fixture
def launch() -> Iterator[Callable[..., subprocess.Popen]]:
    """Starts processes of the node with these arguments."""
    processes: list[subprocess.Popen] = []

    def run(*arguments: str, **options: Any) -> subprocess.Popen:
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        processes.append(subprocess.Popen([sys.executable, "-c", NODE, *arguments], text=True, **pipes, **options))
        return processes[-1]

    yield run
    for process in processes:
        process.kill()
        process.communicate()


@pytest.fixture
def start(launch) -> Callable[..., subprocess.Popen]:
    def run(mode: str = "run", autostart: bool = True, **options: Any) -> subprocess.Popen:
        return launch("--ros-args", "-p", f"mode:={mode}", "-p", f"autostart:={str(autostart).lower()}", **options)

    return run


@pytest.fixture
def launcher() -> Iterator[subprocess.Popen]:
    """A process for the variable that names the parent of nodes."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    yield process
    process.kill()
    process.wait()


def wait_until_active(process: subprocess.Popen) -> None:
    assert select.select([process.stdout], [], [], 20.0)[0], "it did not start in time"
    assert process.stdout.readline() == "active\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_the_node_and_ends_with_0(start, number):
    process = start()
    wait_until_active(process)
    process.send_signal(number)
    output, errors = process.communicate(timeout=30.0)
    assert (process.returncode, output, errors) == (0, "stopped\n", "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_repeated_signals_until_the_process_ends_change_nothing(start, number):
    process = start()
    wait_until_active(process)
    while process.poll() is None:
        process.send_signal(number)
        time.sleep(0.002)
    output, errors = process.communicate(timeout=30.0)
    assert (process.returncode, output, errors) == (0, "stopped\n", "")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGHUP])
def test_the_end_of_the_named_parent_stops_the_node(start, launcher, number):
    process = start(env={**os.environ, VARIABLE: str(launcher.pid)})
    wait_until_active(process)
    launcher.send_signal(number)  # and nobody waits for it, so that it stays a zombie
    output, errors = process.communicate(timeout=30.0)
    assert (process.returncode, output, errors) == (0, "stopped\n", "")


def test_a_node_whose_named_parent_has_ended_before_ends_at_once(start, launcher):
    launcher.kill()
    launcher.wait()
    _, errors = start(env={**os.environ, VARIABLE: str(launcher.pid)}).communicate(timeout=30.0)
    assert errors == ""


def test_a_parent_that_is_no_process_id_is_refused_in_one_line(start):
    process = start(env={**os.environ, VARIABLE: "ros2"})
    _, errors = process.communicate(timeout=30.0)
    assert process.returncode == 1
    assert errors == f"error: node /probe: {VARIABLE}: found 'ros2', expected a process id\n"


def test_a_node_under_nohup_ignores_the_hang_up(start):
    process = start(preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    wait_until_active(process)
    process.send_signal(signal.SIGHUP)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(1.0)
    process.terminate()
    assert process.communicate(timeout=30.0)[0] == "stopped\n"


def test_a_node_that_refuses_to_configure_ends_with_1_and_one_line(start):
    output, errors = start("refuse").communicate(timeout=30.0)
    assert (output, errors) == ("", "error: node /probe: no such bundle\n")


def test_a_second_node_of_one_name_is_refused_naming_the_first(start):
    first = start()
    wait_until_active(first)
    second = start()
    output, errors = second.communicate(timeout=30.0)
    assert (second.returncode, output) == (1, "")
    domain = os.environ["ROS_DOMAIN_ID"]
    expected = f"name /probe in ROS domain {domain}: in use by process {first.pid}"
    assert errors == f"error: node /probe: {expected}\n"


def test_a_killed_node_is_replaced_at_once(start):
    first = start()
    wait_until_active(first)
    first.kill()
    first.wait()
    wait_until_active(start())


def test_a_refusal_to_configure_is_published_on_rosout(start):
    peer = Peer()
    logs = peer.collect(Log, "/rosout", qos.LATCHED)
    start("refuse", autostart=False)
    configure = ChangeState.Request(transition=Transition(id=Transition.TRANSITION_CONFIGURE))
    assert not peer.call(ChangeState, "/probe/change_state", configure).success
    peer.wait_for(lambda: "error: node /probe: no such bundle" in [log.msg for log in logs], "the log message")
    peer.close()


def test_an_error_in_a_callback_ends_the_process_with_1_and_one_line(start):
    process = start("break")
    output, errors = process.communicate(timeout=30.0)
    assert (process.returncode, output) == (1, "active\nstopped\n")
    assert errors == "error: node /probe: ZeroDivisionError: division by zero\n"


@pytest.fixture
def start_two(launch) -> Callable[..., subprocess.Popen]:
    def run(**modes: str) -> subprocess.Popen:
        given = [["-p", f"{name}:mode:={mode}", "-p", f"{name}:autostart:=true"] for name, mode in modes.items()]
        return launch(*modes, "--ros-args", *(word for words in given for word in words))

    return run


def wait_for(process: subprocess.Popen, line: str) -> None:
    """Wait until the process prints `line`, and fail when it ends before."""
    assert any(printed == f"{line}\n" for printed in iter(process.stdout.readline, "")), f"it never printed {line!r}"


def test_a_process_runs_a_node_for_each_name_and_stops_them_all(start_two):
    process = start_two(left="run", right="run")
    wait_for(process, "active")
    wait_for(process, "active")
    process.terminate()
    output, errors = process.communicate(timeout=30.0)
    assert (process.returncode, output, errors) == (0, "stopped\nstopped\n", "")


def test_a_node_that_fails_ends_the_process_and_stops_the_others(start_two):
    output, errors = start_two(left="run", right="break").communicate(timeout=30.0)
    assert sorted(output.split()) == ["active", "active", "stopped", "stopped"]
    assert errors == "error: node /right: ZeroDivisionError: division by zero\n"


def test_a_node_that_hangs_does_not_keep_the_other_from_stopping(start_two):
    process = start_two(left="block", right="tick")
    wait_for(process, "blocked")
    wait_for(process, "tick")
    process.terminate()
    wait_for(process, "stopped")
    _, errors = process.communicate(timeout=30.0)
    assert process.returncode == 1 and errors == "error: shutdown took longer than 5 s\n"


def test_a_node_that_hangs_at_its_end_is_cut_off(start):
    process = start("hang")
    wait_until_active(process)
    process.terminate()
    _output, errors = process.communicate(timeout=30.0)
    assert process.returncode == 1
    assert errors == "error: shutdown took longer than 5 s\n"


def test_a_node_that_hangs_with_the_interpreter_lock_held_is_cut_off(start):
    process = start("seize")
    wait_until_active(process)
    process.terminate()
    _output, errors = process.communicate(timeout=30.0)
    assert process.returncode == 1
    assert errors.startswith("Timeout (0:00:07)!") and "in deactivate" in errors


STUCK = """
import ctypes
import sys
from node_kit import main
from node_kit.lifecycle import Lifecycle

main._ALIVE_S, main._STUCK_S = 0.5, 3.0

class Probe(Lifecycle):
    def activate(self):
        self.create_timer(4.0, lambda: ctypes.PyDLL(None).sleep(3600))  # a proof that work goes on longer than 3 s

sys.exit(main.spin(Probe, "probe"))
"""


def test_a_node_that_is_stuck_with_the_interpreter_lock_held_ends():
    arguments = [sys.executable, "-c", STUCK, "--ros-args", "-p", "autostart:=true"]
    began = time.monotonic()
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and done.stderr.startswith("Timeout (0:00:03)!") and "<lambda>" in done.stderr
    assert time.monotonic() - began > 5.0


ENDED = """
import contextlib
import os
import signal
import sys
from pathlib import Path
from node_kit import diagnostics
from node_kit.emergency_stop import EmergencyStop
from node_kit.lifecycle import Lifecycle
from node_kit.main import spin

class Probe(Lifecycle):
    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        if os.environ["MODE"] == "refused":
            raise ValueError("no such parameter")
    def configure(self, parameters):
        self.keep(diagnostics.DiagnosticsPublisher(self, "probe", dict))
        self.keep(EmergencyStop(self))
    def activate(self):
        os.kill(os.getpid(), signal.SIGTERM)

code = spin(Probe, "probe")
threads = []
for task in os.listdir("/proc/self/task"):
    with contextlib.suppress(FileNotFoundError):  # it has just ended
        threads.append(Path(f"/proc/self/task/{task}/comm").read_text())
print(code, [name.strip() for name in threads if name.startswith("dds.udp")])
"""


@pytest.mark.parametrize(
    ("mode", "expected"),
    [("active", ("0 []\n", "")), ("refused", ("1 []\n", "error: node /probe: no such parameter\n"))],
)
def test_a_node_that_has_ended_leaves_no_participant_behind(mode: str, expected: tuple[str, str]) -> None:
    arguments = [sys.executable, "-c", ENDED, "--ros-args", "-p", "autostart:=true"]
    environment = os.environ | {"MODE": mode}
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=60, check=False, env=environment)
    assert (done.stdout, done.stderr) == expected


UNLOADED = """
import ctypes
import sys
from node_kit import main

main._UNLOADED_S = 1
libc = ctypes.CDLL(None)
libc.on_exit(libc.pause, None)  # called after the end of the interpreter
main._end([])
"""


def test_a_process_that_hangs_after_the_interpreter_has_ended_is_ended() -> None:
    done = subprocess.run([sys.executable, "-c", UNLOADED], capture_output=True, timeout=60, check=False)
    assert done.returncode == -signal.SIGALRM
