"""Sampling, joining and shortening of chunks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.chunk import SECOND, Chunk, after, hold

STAMP = 1_700_000_000 * SECOND
FARTHEST_NS = 3 * SECOND

offsets_ns = st.integers(-FARTHEST_NS, FARTHEST_NS)


@st.composite
def chunks(draw) -> Chunk:
    """Chunks of 1 to 12 points, a millisecond apart or more, some of them before the stamp."""
    gaps = draw(st.lists(st.integers(1_000_000, SECOND // 2), min_size=0, max_size=11))
    times_s = (draw(st.integers(-SECOND, SECOND)) + np.cumsum([0, *gaps])) / SECOND
    points = np.random.default_rng(draw(st.integers(0, 2**32 - 1))).uniform(-3, 3, (len(times_s), 3))
    return Chunk(STAMP, times_s, points)


@given(chunks(), st.lists(offsets_ns, min_size=1, max_size=20))
def test_sampling_agrees_with_numpy_interp(chunk, offsets):
    found = chunk.sample(STAMP + np.array(offsets))
    seconds = np.array(offsets) / SECOND
    expected = np.stack([np.interp(seconds, chunk.times_s, column) for column in chunk.points.T], axis=1)
    np.testing.assert_allclose(found, expected, atol=1e-5)  # ns of time times the steepest slope


@given(chunks(), offsets_ns)
def test_one_time_gives_to_the_bit_what_many_give(chunk, offset):
    np.testing.assert_array_equal(chunk.at(STAMP + offset)[0], chunk.sample(np.array([STAMP + offset]))[0])


@given(chunks())
def test_sampling_at_the_points_gives_the_points(chunk):
    np.testing.assert_allclose(chunk.sample(chunk.times_ns), chunk.points, atol=1e-12)


@given(chunks(), st.integers(0, FARTHEST_NS))
def test_nothing_is_extrapolated(chunk, distance):
    for time_ns, point in ((chunk.start_ns - distance, chunk.points[0]), (chunk.end_ns + distance, chunk.points[-1])):
        position, velocity = chunk.at(time_ns)
        np.testing.assert_array_equal(position, point)
        if distance:
            np.testing.assert_array_equal(velocity, 0.0)


@given(chunks(), offsets_ns)
def test_velocity_is_the_slope_of_the_line(chunk, offset):
    now_ns = STAMP + offset
    (here, velocity), there = chunk.at(now_ns), chunk.at(now_ns + 100)[0]
    if not ((chunk.times_ns > now_ns) & (chunk.times_ns <= now_ns + 100)).any():  # no corner between
        np.testing.assert_allclose(there - here, velocity * 1e-7, atol=1e-12)


@given(chunks(), chunks(), offsets_ns, st.integers(0, SECOND // 5))
def test_joining_is_continuous_where_the_first_point_is_ahead(old, new, offset, late):
    since_ns = STAMP + offset
    position = old.at(since_ns)[0]
    joined = new.joined(since_ns, position)
    if new.start_ns > since_ns:
        np.testing.assert_allclose(joined.at(since_ns)[0], position, atol=1e-12)
        approach = new.start_ns - since_ns
        share = min(late / approach, 1.0)
        expected = position + share * (new.points[0] - position)
        np.testing.assert_allclose(joined.at(since_ns + round(share * approach))[0], expected, atol=1e-5)


@given(chunks(), offsets_ns, st.integers(0, FARTHEST_NS))
def test_joining_changes_nothing_after_the_first_point(chunk, offset, later):
    joined = chunk.joined(STAMP + offset, np.full(3, 9.0))
    time_ns = max(chunk.start_ns, STAMP + offset) + later
    np.testing.assert_array_equal(joined.at(time_ns)[0], chunk.at(time_ns)[0])


@given(chunks(), offsets_ns)
def test_the_beginning_of_a_chunk_is_the_same_path_up_to_its_end(chunk, offset):
    part = chunk.until(STAMP + offset)
    assert len(part) >= 1
    np.testing.assert_array_equal(part.points, chunk.points[: len(part)])
    assert (part.times_ns[1:] <= STAMP + offset).all()
    assert len(part) == len(chunk) or chunk.times_ns[len(part)] > STAMP + offset


def test_a_held_point_stays_for_ever():
    held = hold(np.array([1.0, 2.0]), STAMP)
    np.testing.assert_array_equal(held.sample(STAMP + np.array([-SECOND, 0, SECOND])), [[1.0, 2.0]] * 3)


@pytest.mark.parametrize("seconds", [0.1, 1e-9, -2.5, 1e6])
def test_times_after_a_stamp_are_whole_nanoseconds(seconds):
    assert after(STAMP, np.array([seconds])).tolist() == [STAMP + round(seconds * SECOND)]


LINE = Chunk(0, np.array([1.0, 2.0, 4.0]), np.array([[0.0, 0.0], [1.0, -2.0], [1.0, 2.0]]))


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
def test_a_chunk_is_straight_lines_at_rest_beyond_its_ends(seconds, position, velocity):
    found_position, found_velocity = LINE.at(round(seconds * SECOND))
    assert found_position == pytest.approx(np.array(position, float))
    assert found_velocity == pytest.approx(np.array(velocity, float))


def test_a_first_point_still_ahead_is_approached_from_the_last_command():
    joined = Chunk(0, np.array([1.0]), np.array([[1.0, 1.0]])).joined(0, np.array([0.0, 2.0]))
    position, velocity = joined.at(SECOND // 4)
    assert position == pytest.approx(np.array([0.25, 1.75]))
    assert velocity == pytest.approx(np.array([1.0, -1.0]))


def test_the_last_command_does_not_matter_once_the_first_point_is_past():
    joined = LINE.joined(3 * SECOND // 2, np.array([9.0, 9.0]))
    assert joined.at(3 * SECOND // 2)[0] == pytest.approx(np.array([0.5, -1.0]))
