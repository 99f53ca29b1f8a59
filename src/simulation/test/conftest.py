"""One world for all tests of a module (building one takes a fraction of a second), at its start for each."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from camera_process import CameraProcess
from worlds import make_world


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
