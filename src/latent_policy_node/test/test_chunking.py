"""Chunk hand-over: no jump at the seam, the new chunk in the end."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.chunk import SECOND, Chunk, hold
from latent_policy_node.chunking import blend, weights

PERIOD, HORIZON, DIMS = 0.1, 16, 3
TIMES = PERIOD * np.arange(1, HORIZON + 1)

seeds = st.integers(0, 2**32 - 1)
gaps_ms = st.integers(20, 400)
delays_ms = st.integers(1, 500)
fades = st.floats(0.05, 1.0)


def random_chunk(seed: int, stamp_ns: int) -> Chunk:
    return Chunk(stamp_ns, TIMES, np.random.default_rng(seed).uniform(-1, 1, (HORIZON, DIMS)))


def at(chunk: Chunk, time_ns: int) -> np.ndarray:
    return chunk.at(time_ns)[0]


@given(seeds, seeds, gaps_ms, delays_ms, fades)
def test_blended_chunk_begins_where_the_old_one_is(old: int, new: int, gap: int, delay: int, fade: float) -> None:
    previous = random_chunk(old, 0)
    now = (gap + delay) * 1_000_000
    result = blend(previous, random_chunk(new, gap * 1_000_000), now, fade)
    np.testing.assert_allclose(at(result, now), at(previous, now), atol=1e-9)


@given(seeds, seeds, gaps_ms, delays_ms, fades)
def test_blended_chunk_is_the_new_one_after_the_fade(old: int, new: int, gap: int, delay: int, fade: float) -> None:
    fresh = random_chunk(new, gap * 1_000_000)
    seam_s = delay / 1e3
    result = blend(random_chunk(old, 0), fresh, (gap + delay) * 1_000_000, fade)
    late = seam_s + fade <= TIMES
    np.testing.assert_allclose(result.sample(fresh.times_ns[late]), fresh.points[late], atol=1e-9)


@given(seeds, seeds, gaps_ms, delays_ms, fades)
def test_blended_points_lie_between_both_chunks(old: int, new: int, gap: int, delay: int, fade: float) -> None:
    previous, fresh = random_chunk(old, 0), random_chunk(new, gap * 1_000_000)
    result = blend(previous, fresh, (gap + delay) * 1_000_000, fade)
    a, b = (chunk.sample(result.times_ns) for chunk in (previous, fresh))
    assert np.all(result.points[1:] >= np.minimum(a, b)[1:] - 1e-9)
    assert np.all(result.points[1:] <= np.maximum(a, b)[1:] + 1e-9)


@given(seeds, st.lists(seeds, min_size=2, max_size=6), delays_ms)
def test_executed_path_has_no_jump_at_any_seam(first: int, others: list[int], delay: int) -> None:
    running, stamp = random_chunk(first, 0), 0
    for seed in others:
        stamp += 100_000_000
        now = stamp + delay * 1_000_000
        following = blend(running, random_chunk(seed, stamp), now, 0.3)
        assert np.abs(at(following, now) - at(running, now)).max() < 1e-9
        # a microsecond later it has moved no further than the steepest slope between two points allows
        assert np.abs(at(following, now + 1000) - at(running, now)).max() < 1e-6 * 2 / 1e-3
        running = following


def test_points_in_the_past_are_left_out() -> None:
    result = blend(hold(np.zeros(DIMS), 0), random_chunk(0, 0), 350_000_000, 0.3)
    np.testing.assert_allclose(result.times_s[:2], [0.35, 0.4])
    assert len(result.times_s) == 1 + 13


def test_times_ascend_when_now_falls_on_a_point() -> None:
    result = blend(hold(np.zeros(DIMS), 0), random_chunk(0, 0), 300_000_000, 0.3)
    assert np.all(np.diff(result.times_s) > 0)


def test_a_chunk_that_is_over_leaves_one_point_that_holds() -> None:
    previous = hold(np.ones(DIMS), 0)
    result = blend(previous, random_chunk(0, 0), 5 * SECOND, 0.3)
    np.testing.assert_allclose(result.points, np.ones((1, DIMS)))


def test_equal_chunks_blend_to_themselves() -> None:
    line = Chunk(0, TIMES, TIMES[:, None] * np.ones(DIMS))
    later = Chunk(100_000_000, TIMES, (TIMES + 0.1)[:, None] * np.ones(DIMS))
    result = blend(line, later, 130_000_000, 0.3)
    np.testing.assert_allclose(result.points, (result.times_s + 0.1)[:, None] * np.ones(DIMS), atol=1e-12)


@pytest.mark.parametrize("fade", [0.0, -1.0])
def test_no_fade_switches_at_the_seam(fade: float) -> None:
    np.testing.assert_array_equal(weights(np.array([0.1, 0.2, 0.3]), 0.2, fade), [0, 0, 1])
