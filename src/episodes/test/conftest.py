"""A ROS domain and a place for the tests of this package, and recorders that end with their test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from episode_bags import Episode, write_episode


@pytest.fixture
def bag(tmp_path: Path) -> Path:
    """A successful episode of 2 s, see episode_bags."""
    return write_episode(tmp_path / "bags" / "good", Episode())


@pytest.fixture
def start_recorder(tmp_path: Path) -> Iterator[Callable]:
    """Starts recorder nodes, each in a process of its own; all end with the test."""
    pytest.importorskip("rclpy")
    from recorder_process import RecorderProcess

    from node_kit.testing import process_starter

    yield from process_starter(RecorderProcess, tmp_path)
