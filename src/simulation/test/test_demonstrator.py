"""Demonstrations: smooth paths, and picks that the physics calls successes, for every hand."""

from itertools import pairwise

import numpy as np
import pytest
from worlds import demonstrate_round, make_world

import embodiments
from episodes.bag import EpisodeReader, EpisodeWriter
from simulation.collect import write_frame
from simulation.demonstrator import Path, Waypoint, astray, demonstrate, upright
from simulation.render import Renderer
from simulation.trials import Trials

HANDS = embodiments.names("hand") + embodiments.names("gripper")


def test_a_path_is_continuous_and_ends_where_it_should(world):
    rng = np.random.default_rng(0)
    world.task.scatter(world, rng)
    start = Waypoint(0.0, upright(np.array([0.4, 0.4, 0.25])), world.sides["left"].hand.postures["open"])
    path = demonstrate(world, world.task, "left", start, np.array([0.4, 0.4, 0.25]), rng)
    samples = [path.sample(t) for t in np.arange(0.0, path.duration_s + 0.5, 0.01)]
    positions = np.array([pose[:3, 3] for pose, _ in samples])
    postures = np.array([posture for _, posture in samples])
    assert np.linalg.norm(np.diff(positions, axis=0), axis=1).max() < 0.01
    assert np.abs(np.diff(postures, axis=0)).max() < 0.1
    np.testing.assert_allclose(positions[-1], path.waypoints[-1].pose[:3, 3])


def test_rotations_on_a_path_stay_rotations():
    turned = upright(np.zeros(3))
    turned[:3, :3] = [[0, -1, 0], [1, 0, 0], [0, 0, 1]]
    path = Path([Waypoint(0.0, upright(np.zeros(3)), np.zeros(1)), Waypoint(1.0, turned, np.ones(1))])
    for time_s in np.linspace(0, 1, 20):
        rotation = path.sample(time_s)[0][:3, :3]
        np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)


def test_a_path_never_waits(world):
    rng, home = np.random.default_rng(1), np.array([0.4, 0.4, 0.25])
    world.task.scatter(world, rng)
    for side in world.sides:
        path = demonstrate(world, world.task, side, astray(world, world.task, side, rng), home, rng)
        samples = [path.sample(t) for t in np.arange(0.0, path.duration_s, 0.1)]
        moved = [np.linalg.norm(b[0] - a[0]) + np.abs(b[1] - a[1]).max() for a, b in pairwise(samples)]
        assert min(moved[1:-1]) > 0.002


def test_a_can_in_its_tray_is_left_there(world):
    rng = np.random.default_rng(2)
    world.task.tidy(world, "left")
    tray, home = world.task.tray_centre("left"), np.array([0.4, 0.4, 0.25])
    for _ in range(20):
        path = demonstrate(world, world.task, "left", astray(world, world.task, "left", rng), home, rng)
        way = np.array([point.pose[:3, 3] for point in path.waypoints])
        assert np.linalg.norm(way[-1] - home) < 0.05
        assert len(way) <= 3
        assert np.linalg.norm(way[1:] - tray, axis=1).min() > 0.1


def test_a_recorded_frame_comes_with_the_field_of_view_of_its_camera(world, tmp_path):
    renderer = Renderer(world.model, "front", 320, 180)
    with EpisodeWriter(tmp_path / "bag", None) as bag:
        write_frame(bag, world, {"front": renderer}, [])
    renderer.close()
    with EpisodeReader(tmp_path / "bag") as reader:
        assert reader.fovy_deg("front") == pytest.approx(35.0)


@pytest.mark.parametrize("hand", HANDS)
def test_every_hand_places_its_can_on_both_sides(hand, monkeypatch):
    monkeypatch.setattr("simulation.collect.ASTRAY", 0.0)
    assert placed(hand) == {"left": True, "right": True}


@pytest.mark.parametrize("hand", ["inspire", "ability", "xarm_gripper"])
def test_a_hand_that_starts_off_its_path_places_its_can(hand, monkeypatch):
    monkeypatch.setattr("simulation.collect.ASTRAY", 1.0)
    monkeypatch.setattr("simulation.collect.PLACED", 0.0)
    assert placed(hand) == {"left": True, "right": True}


@pytest.mark.parametrize("hand", HANDS)
def test_a_demonstration_ends_with_the_arms_home(hand, monkeypatch):
    monkeypatch.setattr("simulation.collect.ASTRAY", 0.0)
    trials = new_trials(hand)
    demonstrate_round(trials, Trials.advance)
    assert trials.results == [{"left": True, "right": True}]
    assert trials.elapsed_s < 1.5


def placed(hand):
    """Which sides place their can in one demonstration."""
    trials = new_trials(hand)
    demonstrate_round(trials)
    return trials.finish()


def new_trials(hand):
    world = make_world(hand, hand)
    return Trials(world, world.task, np.random.default_rng(5))
