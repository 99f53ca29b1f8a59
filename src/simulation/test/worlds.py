"""Worlds for the tests."""

from contracts.station import DEFAULT_STATION, station_with_hands
from simulation.tasks.pick_place import load_task
from simulation.world import World


def make_world(left: str = "inspire", right: str = "ability") -> World:
    station = station_with_hands(DEFAULT_STATION, left, right, "pick_place")
    return World(station, load_task("pick_place"))
