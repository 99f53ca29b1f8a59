"""Recordings to replay, and camera nodes in processes of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from camera_process import CameraProcess
from recordings import write_bag

from node_kit.testing import process_starter


@pytest.fixture
def start_camera(tmp_path: Path) -> Iterator[Callable[..., CameraProcess]]:
    """Starts camera nodes, each in a process of its own; all end with the test."""
    yield from process_starter(CameraProcess, tmp_path)


@pytest.fixture
def bag(tmp_path: Path) -> Path:
    """A bag of 12 frames of camera `front`, 50 ms apart, and one frame of camera `side`."""
    return write_bag(tmp_path / "bag")
