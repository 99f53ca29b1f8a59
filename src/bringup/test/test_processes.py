"""Children are watched, stopped and never left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from bringup_helpers import alive, fake

from bringup.processes import Exit, Processes, tail
from node_kit.testing import until

pytestmark = pytest.mark.graph

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]


class Family:
    """Processes under test, with what they reported."""

    def __init__(self, folder: Path) -> None:
        self.deaths: list[Exit] = []
        self.log = folder / "log"
        self.processes = Processes(self.deaths.append)

    def start(self, name: str, argv: list[str]) -> int:
        self.processes.start(name, argv, self.log, os.environ)
        return self.processes.running()[name]


@pytest.fixture
def family(tmp_path: Path) -> Iterator[Family]:
    family = Family(tmp_path)
    yield family
    family.processes.close(0.5)


def test_killed_children_are_detected_and_named(family: Family) -> None:
    family.start("other", SLEEP)
    for name in ("driver", "codec", "policy"):
        pid = family.start(name, SLEEP)
        os.kill(pid, signal.SIGKILL)
        assert until(lambda: name in [end.name for end in family.deaths])  # noqa: B023
        assert str(family.deaths[-1]) == f"{name} was killed by SIGKILL"
    assert list(family.processes.running()) == ["other"]


IDLER = """
import os, threading, time
def idle():
    print("there", flush=True)
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    while True: pass
threading.Thread(target=idle, daemon=True).start()
time.sleep(600)
"""
BUSY = "import os; print('there', flush=True); os.sched_setaffinity(0, {{{0}}})\nwhile True: pass"


def test_a_child_is_dead_while_a_thread_of_idle_priority_waits_to_end(family: Family) -> None:
    core = min(os.sched_getaffinity(0))
    busy = [sys.executable, "-c", BUSY.format(core)]
    pid = family.start("camera", [sys.executable, "-c", f"import os; os.sched_setaffinity(0, {{{core}}})\n{IDLER}"])
    assert until(lambda: bool(tail(family.log)))
    for number in range(3):
        family.start(f"busy_{number}", busy)
    assert until(lambda: len(tail(family.log)) == 4)
    time.sleep(0.3)  # the thread of no priority waits for the processor
    os.kill(pid, signal.SIGKILL)
    assert until(lambda: bool(family.deaths))
    assert str(family.deaths[0]) == "camera was killed by SIGKILL"


def test_a_child_that_fails_is_reported_with_its_exit_status(family: Family) -> None:
    family.start("codec", [sys.executable, "-c", "raise SystemExit(3)"])
    assert until(lambda: bool(family.deaths))
    assert str(family.deaths[0]) == "codec ended with exit status 3"


def test_a_child_that_was_requested_to_end_is_no_failure(family: Family) -> None:
    pid = family.start("policy", SLEEP)
    assert family.processes.stop(["policy"], 2.0) == []
    assert not alive(pid)
    assert not family.deaths


def test_a_child_that_ignores_sigterm_is_killed_with_its_own_children(family: Family) -> None:
    pid = family.start("stubborn", fake("stubborn"))
    assert until(lambda: bool(tail(family.log)))
    grandchild = int(tail(family.log)[0])
    assert family.processes.stop(["stubborn"], 0.3) == ["stubborn"]
    assert until(lambda: not alive(pid) and not alive(grandchild))


def test_what_a_dead_child_left_running_is_ended(family: Family) -> None:
    pid = family.start("stubborn", fake("stubborn"))
    assert until(lambda: bool(tail(family.log)))
    grandchild = int(tail(family.log)[0])
    os.kill(pid, signal.SIGKILL)
    assert until(lambda: not alive(grandchild))


def test_children_do_not_outlive_a_killed_parent() -> None:
    parent = subprocess.Popen(fake("parent"), stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert alive(child)
    parent.kill()
    parent.wait()
    assert until(lambda: not alive(child))


DRIVER = """
import pathlib, signal, sys, time
def end(*_):
    pathlib.Path(sys.argv[1]).touch()
    sys.exit()
signal.signal(signal.SIGTERM, end)
print("there", flush=True)
time.sleep(600)
"""
PARENT = """
import os, pathlib, sys, time
from bringup.processes import Processes
driver, braked, log = sys.argv[1:]
argv = [sys.executable, "-c", driver, braked]
Processes(print).start("driver", argv, pathlib.Path(log), os.environ)
time.sleep(600)
"""


def test_an_orphan_gets_sigterm_and_ends_in_order(tmp_path: Path) -> None:
    """A driver brakes first."""
    braked, log = tmp_path / "braked", tmp_path / "log"
    parent = subprocess.Popen([sys.executable, "-c", PARENT, DRIVER, str(braked), str(log)])
    assert until(lambda: tail(log) == ["there"])
    parent.kill()
    parent.wait()
    assert until(braked.exists)


def test_the_tail_of_a_log_is_bounded_and_survives_its_absence(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert tail(log) == []
    log.write_bytes(b"x" * 100_000 + b"\nlast but one\n\nlast \xff\n")
    assert tail(log, 2) == ["last but one", "last \ufffd"]
