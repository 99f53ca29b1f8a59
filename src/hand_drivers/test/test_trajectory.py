"""Where a chunk has the robot be, and how it starts."""

from __future__ import annotations

import numpy as np
import pytest

from hand_drivers.trajectory import SECOND, Blend, Trajectory

POINTS = np.array([[0.0, 0.0], [1.0, -2.0], [1.0, 2.0]])


def line() -> Trajectory:
    return Trajectory([SECOND, 2 * SECOND, 4 * SECOND], POINTS)


@pytest.mark.parametrize(
    ("seconds", "position", "velocity"),
    [
        (0.5, [0, 0], [0, 0]),
        (1.0, [0, 0], [1, -2]),
        (1.25, [0.25, -0.5], [1, -2]),
        (3.0, [1, 0], [0, 2]),
        (4.0, [1, 2], [0, 0]),
        (9.0, [1, 2], [0, 0]),
    ],
)
def test_it_runs_in_straight_lines_and_stands_beyond_its_ends(seconds, position, velocity):
    found_position, found_velocity = line().sample(round(seconds * SECOND))
    assert found_position == pytest.approx(np.array(position, float))
    assert found_velocity == pytest.approx(np.array(velocity, float))


def test_a_first_point_still_ahead_is_approached_from_the_present_position():
    joined = Trajectory.joined([SECOND], np.array([[1.0, 1.0]]), 0, np.array([0.0, 2.0]))
    position, velocity = joined.sample(SECOND // 4)
    assert position == pytest.approx(np.array([0.25, 1.75]))
    assert velocity == pytest.approx(np.array([1.0, -1.0]))


def test_the_present_position_does_not_matter_once_the_first_point_is_past():
    joined = Trajectory.joined([SECOND, 2 * SECOND], POINTS[:2], 3 * SECOND // 2, np.array([9.0, 9.0]))
    assert joined.sample(3 * SECOND // 2)[0] == pytest.approx(np.array([0.5, -1.0]))


def test_a_blend_starts_at_its_origin_rises_evenly_and_ends_on_the_target():
    blend, target, velocity = Blend(np.zeros(2), 0, 1.0), np.ones(2), np.ones(2)
    found = [blend.apply(round(share * SECOND), target, velocity)[0][0] for share in np.linspace(0, 1.5, 31)]
    assert found[0] == 0.0 and found[-1] == 1.0
    assert (np.diff(found) >= 0).all()
    assert blend.apply(2 * SECOND, target, velocity)[1] == pytest.approx(velocity)


def test_a_blend_without_duration_is_none():
    assert Blend(np.zeros(1), 0, 0.0).apply(0, np.ones(1), np.ones(1))[0] == 1.0
