"""Stations for collection and evaluation: a station file with other hands on it."""

from __future__ import annotations

from node_kit.station import Station, load_station, station_file

DEFAULT_STATION = "dual_xarm7"


def station_with_hands(path_or_name: str, left: str, right: str, task: str) -> Station:
    """The station of a file, or a shipped one by its name, with `left` and `right` hands and `task`."""
    station = load_station(station_file(path_or_name))
    hands = {"left": left, "right": right}
    sides = {
        name: side.model_copy(update={"hand": side.hand.model_copy(update={"embodiment": hands[name]})})
        for name, side in station.sides.items()
    }
    return station.model_copy(update={"sides": sides, "task": task})
