"""One world for all tests of a module (building one takes a fraction of a second), at its start for each."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from camera_process import CameraProcess
from worlds import make_world

from node_kit.testing import process_starter
from simulation import shared_world


@pytest.fixture(scope="module")
def late_world() -> Iterator[None]:
    """A world may be late by more than in a graph: how late depends on the machine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shared_world, "MAX_AGE_S", 5.0)
        yield


@pytest.fixture(scope="module")
def one_world():
    return make_world()


@pytest.fixture
def world(one_world):
    one_world.reset()
    return one_world


@pytest.fixture
def start_camera(tmp_path: Path) -> Iterator[Callable[..., CameraProcess]]:
    """Starts camera nodes, each in a process of its own; all end with the test."""
    yield from process_starter(CameraProcess, tmp_path)
