"""Worlds for the tests."""

import socket
import time
from collections.abc import Callable

from contracts.station import DEFAULT_STATION, station_with_hands
from simulation.tasks.pick_place import load_task
from simulation.world import World


def make_world(left: str = "inspire", right: str = "ability") -> World:
    station = station_with_hands(DEFAULT_STATION, left, right, "pick_place")
    return World(station, load_task("pick_place"))


def free_port() -> int:
    """One that nobody has, nor a world that another test runs at the same time."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def until(condition: Callable[[], bool], seconds: float = 20.0) -> bool:
    """Whether it comes true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.002)
    return True
