"""Shared by the tests of bring-up: a ROS domain of their own, stations and processes made on the spot."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# Before anything imports ROS: tests of several packages run at the same time and must not hear each other.
os.environ["ROS_DOMAIN_ID"] = str(1 + os.getpid() % 100)
os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")

for _package in ("bringup", "system_tests"):  # for bringup_helpers, bench_process
    sys.path.insert(0, str(Path(__file__).parents[2] / _package / "test"))

from bringup_helpers import ArmSpeeds, EmergencyStops  # noqa: E402

from bringup import paths  # noqa: E402
from simulation.shared_world import Board, Description  # noqa: E402


@pytest.fixture(autouse=True)
def scheduled_as_before() -> Iterator[None]:
    """What a test leaves in real time, all processes of later tests inherit."""
    before = os.sched_getscheduler(0)
    yield
    assert os.sched_getscheduler(0) == before, "this thread is scheduled otherwise than before the test"


@pytest.fixture
def run_directory(tmp_path: Path) -> paths.RunDirectory:
    return paths.RunDirectory.create(tmp_path)


@pytest.fixture
def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def taken_port(free_port: int) -> Iterator[int]:
    """Of a simulated world that is there already."""
    world = Board(Description(parts={}, coordinates=0), free_port)
    yield free_port
    world.close()


@pytest.fixture
def emergency_stops() -> Iterator[EmergencyStops]:
    """Listens to /estop as a driver does."""
    listener = EmergencyStops()
    yield listener
    listener.close()


@pytest.fixture
def speeds() -> Iterator[ArmSpeeds]:
    """How fast the arms move, as their drivers report it."""
    speeds = ArmSpeeds()
    yield speeds
    speeds.close()
