"""Hands look different in each demonstration: in the image alone, and the same for the same random numbers."""

from __future__ import annotations

from itertools import pairwise

import mujoco
import numpy as np
import pytest

from contracts.station import DEFAULT_STATION, station_with_hands
from simulation.looks import PLAIN, ROUND, UNSEEN, Looks, add_sleeves, sleeve
from simulation.render import Renderer
from simulation.tasks.pick_place import load_task
from simulation.world import World


@pytest.fixture(scope="module")
def world():
    station = station_with_hands(DEFAULT_STATION, "inspire", "xarm_gripper", "pick_place")
    return World(station, load_task("pick_place", station.sides), add=add_sleeves)


@pytest.fixture
def looks(world):
    looks = Looks(world.model, world.sides)
    yield looks
    looks.reset()


def seen(model):
    """What of the model is rendered."""
    return np.concatenate([model.geom_size.ravel(), model.geom_rgba.ravel(), model.geom_pos.ravel()])


def touching(model):
    """All shapes with contacts: type, size and place."""
    solid = (model.geom_contype != 0) | (model.geom_conaffinity != 0)
    return np.concatenate([model.geom_size[solid].ravel(), model.geom_pos[solid].ravel(), model.body_mass])


def drawn(world, looks, count=40):
    """Models' figures after changes with so many seeds."""
    found = []
    for seed in range(count):
        looks.change(np.random.default_rng(seed))
        found.append((seen(world.model).copy(), touching(world.model).copy()))
    return found


def test_what_touches_never_changes(world, looks):
    before = touching(world.model).copy()
    assert all(np.array_equal(after, before) for _, after in drawn(world, looks))


def test_sleeves_touch_nothing_weigh_nothing_and_are_not_seen_at_first(world):
    for side in world.sides:
        geom = world.model.geom(sleeve(side)).id
        assert not world.model.geom_contype[geom] and not world.model.geom_conaffinity[geom]
        assert world.model.geom_rgba[geom, 3] == 0.0
    plain = World(station_with_hands(DEFAULT_STATION, "inspire", "xarm_gripper", "pick_place"), world.task)
    np.testing.assert_array_equal(plain.model.body_mass, world.model.body_mass)
    np.testing.assert_array_equal(plain.model.body_inertia, world.model.body_inertia)


def test_hands_look_as_they_are_some_of_the_time_and_else_different(world, looks):
    shapes = {side: np.array(world.model.geom_rgba[rows]) for side, rows in looks._shapes.items()}
    plain = unseen = 0
    for seed in range(200):
        looks.change(np.random.default_rng(seed))
        plain += sum(np.array_equal(world.model.geom_rgba[looks._shapes[side]], shapes[side]) for side in shapes)
        unseen += sum(not world.model.geom_rgba[looks._shapes[side], 3].any() for side in shapes)
    assert plain / 400 == pytest.approx(PLAIN, abs=0.08)
    assert unseen / 400 == pytest.approx(UNSEEN, abs=0.05)


def test_the_same_random_numbers_give_the_same_looks(world, looks):
    looks.change(np.random.default_rng(1))
    first = seen(world.model).copy()
    looks.change(np.random.default_rng(2))
    assert not np.array_equal(seen(world.model), first)
    looks.change(np.random.default_rng(1))
    np.testing.assert_array_equal(seen(world.model), first)


def test_only_hands_and_sleeves_change(world, looks):
    before = seen(world.model).copy().reshape(-1)
    allowed = {*np.concatenate(list(looks._shapes.values())), *looks._sleeves.values()}
    others = [index for index in range(world.model.ngeom) if index not in allowed]
    sizes, colours = world.model.geom_size[others].copy(), world.model.geom_rgba[others].copy()
    drawn(world, looks, 10)
    np.testing.assert_array_equal(world.model.geom_size[others], sizes)
    np.testing.assert_array_equal(world.model.geom_rgba[others], colours)
    assert len(before) == len(seen(world.model)) and len(others) > 10


def test_the_image_shows_the_looks(world, looks):
    renderer = Renderer(world.model, "front", 160, 90)
    try:
        images = []
        for seed in range(8):
            looks.change(np.random.default_rng(seed))
            images.append(renderer.render(world.data.qpos).astype(int))
    finally:
        renderer.close()
    changed = [float((np.abs(one - other).max(-1) > 40).mean()) for one, other in pairwise(images)]
    assert sorted(changed)[len(changed) // 2] > 0.002 and max(changed) < 0.3


def test_every_visible_shape_of_a_hand_is_known(world, looks):
    kinds = {int(kind) for rows in looks._shapes.values() for kind in world.model.geom_type[rows]}
    assert kinds <= {int(kind) for kind in (*ROUND, mujoco.mjtGeom.mjGEOM_BOX)}
    assert all(len(rows) > 2 for rows in looks._shapes.values())
