"""The simulated camera in a real node: one that stops or freezes is reported as such."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml
from camera_process import expect_report_of_fault
from faulty_cameras import FAULTS, RATE_HZ

from contracts.station import STATIONS, load_station
from simulation.shared_world import Description, SharedWorldWriter
from simulation.tasks.pick_place import load_task
from simulation.world import World

pytestmark = pytest.mark.graph


class StillWorld:
    """In the place of the simulated world: shows a renderer coordinates (nq,) that do not change, and the time; frozen,
    the same time again and again; stopped, nothing new."""

    def __init__(self, directory: Path, nq: int) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self._directory, self._nq = directory, nq
        self._board = SharedWorldWriter(Description(parts={}, coordinates=nq), self.port)
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._end.set()
        self._thread.join()
        self._board.close()

    def _run(self) -> None:
        stamp_ns = 0
        while not self._end.wait(0.01):
            if (self._directory / "stopped").exists():
                continue
            stamp_ns = stamp_ns if (self._directory / "frozen").exists() else time.time_ns()
            self._board.write_state(stamp_ns, np.zeros((4, 0)), np.zeros(self._nq))


@pytest.fixture
def still_world(tmp_path) -> Iterator[StillWorld]:
    content = yaml.safe_load((STATIONS / "dual_xarm7.yaml").read_text())
    content["cameras"]["front"] |= {"width": 64, "height": 48, "rate_hz": RATE_HZ}
    file = tmp_path / "station.yaml"
    file.write_text(yaml.safe_dump(content))
    station = load_station(file)
    world = StillWorld(tmp_path, World(station, load_task(station.task, station.sides)).model.nq)
    content["simulation"] = {"port": world.port}
    file.write_text(yaml.safe_dump(content))
    yield world
    world.close()


@pytest.mark.parametrize("state", FAULTS)
def test_a_simulated_camera(start_camera, tmp_path, still_world, state):
    options = {"station": str(tmp_path / "station.yaml"), "camera": "front"}
    camera = start_camera(source="simulated", options=options, rate_hz=RATE_HZ, reopen_after_s=30.0)
    expect_report_of_fault(camera.begin(), tmp_path, state)
