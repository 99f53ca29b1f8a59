"""Ports, run directories and subscriptions of the tests of bring-up."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from bringup_helpers import EmergencyStops

from bringup import paths
from node_kit.testing import free_port
from simulation.shared_world import Description, SharedWorldWriter


@pytest.fixture
def run_directory(tmp_path: Path) -> paths.RunDirectory:
    return paths.RunDirectory.create(tmp_path)


@pytest.fixture(name="free_port")
def a_free_port() -> int:
    return free_port()


@pytest.fixture
def taken_port(free_port: int) -> Iterator[int]:
    """Of a simulated world that is there already."""
    world = SharedWorldWriter(Description(parts={}, coordinates=0), free_port)
    yield free_port
    world.close()


@pytest.fixture
def emergency_stops() -> Iterator[EmergencyStops]:
    """Listens to /estop as a driver does."""
    listener = EmergencyStops()
    yield listener
    listener.close()
