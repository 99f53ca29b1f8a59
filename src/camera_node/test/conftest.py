"""Recordings to replay, and camera nodes in processes of their own."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

# Before anything imports ROS: tests of several packages may run at the same time and must not hear each other.
os.environ["ROS_DOMAIN_ID"] = str(1 + os.getpid() % 99)
os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
PROFILE = Path(__file__).parents[2] / "bringup" / "bringup" / "config" / "fastdds.xml"
os.environ.setdefault("FASTRTPS_DEFAULT_PROFILES_FILE", str(PROFILE))

sys.path.insert(0, str(Path(__file__).parent))  # for camera_process, recordings

from camera_process import CameraProcess  # noqa: E402
from recordings import write_bag  # noqa: E402


@pytest.fixture
def start_camera(tmp_path: Path) -> Iterator[Callable[..., CameraProcess]]:
    """Starts camera nodes, each in a process of its own; all end with the test."""
    started: list[CameraProcess] = []

    def start(**parameters: object) -> CameraProcess:
        started.append(CameraProcess(tmp_path, parameters))
        return started[-1]

    yield start
    for camera in started:
        camera.close()


@pytest.fixture
def bag(tmp_path: Path) -> Path:
    """A bag of 12 frames of camera `front`, 50 ms apart, and one frame of camera `side`."""
    return write_bag(tmp_path / "bag")
