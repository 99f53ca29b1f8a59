"""Worlds for the tests."""

from simulation.stations import DEFAULT_STATION, station_with_hands
from simulation.task import load_task
from simulation.world import World


def make_world(left: str = "inspire", right: str = "ability") -> World:
    station = station_with_hands(DEFAULT_STATION, left, right, "pick_place")
    return World(station, load_task("pick_place"))
