"""Settings of the tests of this package, and driver nodes that end with their test."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# Before anything imports ROS: tests of several packages may run at the same time and must not hear each other.
os.environ["ROS_DOMAIN_ID"] = str(1 + os.getpid() % 99)
os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
os.environ.pop("CROSSHAND_EMBODIMENTS", None)  # tests are of the robots of the workspace, not of a user's own

settings.register_profile("untimed", deadline=None)  # a busy machine is no failure
settings.load_profile("untimed")

for _package in ("hand_drivers", "simulation", "device_emulators"):  # for driver_process, waiting, worlds, benches
    sys.path.insert(0, str(Path(__file__).parents[2] / _package / "test"))

from driver_process import DriverProcess  # noqa: E402


@pytest.fixture(autouse=True)
def scheduled_as_before() -> Iterator[None]:
    """What a test leaves in real time, all threads and processes of later tests inherit."""
    before = os.sched_getscheduler(0)
    yield
    assert os.sched_getscheduler(0) == before, "this thread is scheduled otherwise than before the test"


@pytest.fixture
def start_driver(tmp_path: Path) -> Iterator[Callable[..., DriverProcess]]:
    """Starts driver nodes, each in a process of its own; all end with the test."""
    started: list[DriverProcess] = []

    def start(**parameters: object) -> DriverProcess:
        started.append(DriverProcess(tmp_path, parameters))
        return started[-1]

    yield start
    for driver in started:
        driver.close()
