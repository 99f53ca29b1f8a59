"""Settings of the tests of this package, and driver nodes that end with their test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from driver_process import DriverProcess


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
