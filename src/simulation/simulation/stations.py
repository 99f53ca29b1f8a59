"""Stations for collection and evaluation: a station file with other hands on it."""

from __future__ import annotations

from pathlib import Path

from node_kit.station import STATIONS, Station, load_station

DEFAULT_STATION = STATIONS / "dual_xarm7.yaml"


def station_with_hands(path: Path, left: str, right: str, task: str) -> Station:
    """The station in the file at `path` with `left` and `right` hands and `task`."""
    station = load_station(path)
    hands = {"left": left, "right": right}
    sides = {
        name: side.model_copy(update={"hand": side.hand.model_copy(update={"embodiment": hands[name]})})
        for name, side in station.sides.items()
    }
    return station.model_copy(update={"sides": sides, "task": task})
