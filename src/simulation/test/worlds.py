"""Worlds for the tests, and demonstrations in them."""

from collections.abc import Callable

from contracts.station import DEFAULT_STATION, station_with_hands
from simulation.collect import CHECK_EVERY, CONTROL_S, REST_S, Side
from simulation.tasks.pick_place import load_task
from simulation.trials import Trials
from simulation.world import World


def make_world(left: str = "inspire", right: str = "ability", station: str = DEFAULT_STATION) -> World:
    described = station_with_hands(station, left, right, "pick_place")
    return World(described, load_task("pick_place", described.sides))


def demonstrate_round(trials: Trials, check: Callable[[Trials], object] = Trials.update) -> None:
    """Begin a round and play a demonstration on both sides, checked as it goes on, as `collect` does."""
    world = trials.world
    trials.begin()
    sides = [Side(world, side) for side in world.sides]
    for side in sides:
        side.begin(world.task, trials.rng)
    for tick in range(round((max(side.duration_s for side in sides) + REST_S) / CONTROL_S)):
        for side in sides:
            side.act(trials.elapsed_s)
        world.step(round(CONTROL_S / world.model.opt.timestep))
        if tick % CHECK_EVERY == 0:
            check(trials)
