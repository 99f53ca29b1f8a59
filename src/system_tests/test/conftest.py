"""Shared by the tests of bring-up: a ROS domain of their own, stations and processes made on the spot."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from bringup_helpers import ArmSpeeds, EmergencyStops

from bringup import paths
from simulation.shared_world import Board, Description


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
