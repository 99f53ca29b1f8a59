"""A ROS domain and a place for the tests of this package, and recorders that end with their test."""

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

settings.register_profile("episodes", deadline=None)  # a busy machine is no failure
settings.load_profile("episodes")

sys.path.insert(0, str(Path(__file__).parent))  # for episode_bags, recorder_process

from episode_bags import Episode, write_episode  # noqa: E402


@pytest.fixture
def bag(tmp_path: Path) -> Path:
    """A successful episode of 2 s, see episode_bags."""
    return write_episode(tmp_path / "bags" / "good", Episode())


@pytest.fixture
def start_recorder(tmp_path: Path) -> Iterator[Callable]:
    """Starts recorder nodes, each in a process of its own; all end with the test."""
    pytest.importorskip("rclpy")
    from recorder_process import RecorderProcess

    started: list[RecorderProcess] = []

    def start(**parameters: object) -> RecorderProcess:
        started.append(RecorderProcess(tmp_path, parameters))
        return started[-1]

    yield start
    for recorder in started:
        recorder.close()
