"""Settings of the tests of this package, and driver nodes that end with their test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from driver_process import DriverProcess

from node_kit.testing import process_starter


@pytest.fixture
def start_driver(tmp_path: Path) -> Iterator[Callable[..., DriverProcess]]:
    """Starts driver nodes, each in a process of its own; all end with the test."""
    yield from process_starter(DriverProcess, tmp_path)
