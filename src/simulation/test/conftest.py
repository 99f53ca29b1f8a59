"""One world for all tests of a module (building one takes a fraction of a second), at its start for each."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

# Before anything imports ROS: tests of several packages may run at the same time and must not hear each other.
os.environ["ROS_DOMAIN_ID"] = str(1 + os.getpid() % 99)
os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
os.environ.pop("CROSSHAND_EMBODIMENTS", None)  # tests are of the robots of the workspace, not of a user's own
for _package in ("camera_node", "simulation"):  # for `worlds`, `camera_process`
    sys.path.insert(0, str(Path(__file__).parents[2] / _package / "test"))

from camera_process import CameraProcess  # noqa: E402
from worlds import make_world  # noqa: E402


@pytest.fixture(scope="module")
def shared_world():
    return make_world()


@pytest.fixture
def world(shared_world):
    shared_world.reset()
    return shared_world


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
