"""A device that the test controls, and the settings of the tests of this package."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from driver_process import DriverProcess

from hand_drivers.device import DeviceError, JointSample
from hand_drivers.guard import MotionLimits
from node_kit.testing import process_starter


class BenchDevice:
    """Reaches targets immediately; can be unplugged or faulty, and records the targets written in each connection."""

    joints = ("a", "b", "c")

    def __init__(self) -> None:
        self.position = np.zeros(3)
        self.runs: list[list[np.ndarray]] = []  # from rest: the initial position, then the targets
        self.plugged, self.connected = True, False
        self.stops = self.reads = 0
        self.frozen = False
        self.stuck: dict[int, float] = {}  # blocked joints and their positions
        self.lag = 0  # periods of .01 s that it is behind what was written
        self.fault_text: str | None = None
        self.clearable = True
        self.cleared = 0

    def connect(self) -> None:
        self._require(self.plugged)
        self.connected = True
        self.rest()

    def rest(self) -> None:
        """Come to rest without targets."""
        self.runs.append([self.position.copy()])

    @property
    def written(self) -> list[np.ndarray]:
        return self.runs[-1][1:]

    def read(self) -> JointSample:
        self._require(self.connected and self.plugged)
        self.reads += not self.frozen
        position, velocity = self.position.copy(), np.zeros(3)
        if self.lag:
            before, position = (
                self.runs[-1][max(len(self.runs[-1]) - 1 - back, 0)] for back in (self.lag + 1, self.lag)
            )
            position, velocity = position.copy(), (position - before) / 0.01
        position[list(self.stuck)] = list(self.stuck.values())
        return JointSample(self.reads, position, velocity, np.zeros(3))

    def write(self, position: np.ndarray) -> None:
        self._require(self.connected and self.plugged)
        self.position = position.copy()
        self.runs[-1].append(position.copy())

    def stop(self) -> None:
        self._require(self.connected and self.plugged)
        self.stops += 1

    def fault(self) -> str | None:
        return self.fault_text

    def clear_fault(self) -> None:
        self.cleared += 1
        self.fault_text = None if self.clearable else self.fault_text

    def disconnect(self) -> None:
        self.connected = False

    @staticmethod
    def _require(condition: bool) -> None:
        if not condition:
            raise DeviceError("the cable is out")


@pytest.fixture(scope="session")
def new_device() -> type[BenchDevice]:
    return BenchDevice


@pytest.fixture
def device(new_device: type[BenchDevice]) -> BenchDevice:
    return new_device()


@pytest.fixture(scope="session")
def limits() -> MotionLimits:
    full = np.ones(3)
    return MotionLimits(-2 * full, 2 * full, 3.0 * full, 15.0 * full)


@pytest.fixture
def start_driver(tmp_path: Path) -> Iterator[Callable[..., DriverProcess]]:
    """Starts driver nodes, each in a process of its own; all end with the test."""
    yield from process_starter(DriverProcess, tmp_path)
