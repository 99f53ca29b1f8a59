"""Ports and subscriptions of the tests of whole graphs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from bringup_helpers import ArmSpeeds, EmergencyStops

from node_kit.testing import free_port


@pytest.fixture(name="free_port")
def a_free_port() -> int:
    return free_port()


@pytest.fixture
def emergency_stops() -> Iterator[EmergencyStops]:
    listener = EmergencyStops()
    yield listener
    listener.close()


@pytest.fixture
def speeds() -> Iterator[ArmSpeeds]:
    """How fast the arms move, as their drivers report it."""
    speeds = ArmSpeeds()
    yield speeds
    speeds.close()
