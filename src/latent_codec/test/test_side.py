"""One side in latent axes: what is encoded decodes to the same motion, refused values decode to nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import embodiments
from contracts.transforms import pose
from latent_codec.side import ChunkCode, SideCodec

START = np.array([0.1, -0.2, 0.05, 1.2, 0.1, 1.3, -0.1])


@pytest.fixture(scope="module", params=["left", "right"])
def side(request, codec) -> SideCodec:
    y = 0.4 if request.param == "left" else -0.4
    arm, hand = embodiments.load("xarm7", request.param), embodiments.load("inspire", request.param)
    return SideCodec(codec, arm, hand, pose((0, y, 0)))


def motion(side: SideCodec, points: int = 16) -> tuple[np.ndarray, np.ndarray]:
    """A small motion of the arm while the hand closes."""
    share = np.linspace(0, 1, points)[:, None]
    postures = side.hand.postures
    hand = (1 - share) * postures["open"] + share * postures["grasp"]
    return START + 0.15 * share * np.array([1, 1, -1, 1, 1, -1, 1]), hand


def chunk_of(side: SideCodec, points: int = 16) -> np.ndarray:
    return side.latent_states(*motion(side, points))


def test_the_state_is_the_grasp_frame_in_the_station_and_the_latent(side, codec):
    arm, hand = motion(side, 1)
    state = side.latent_state(arm[0], hand[0])
    assert state.shape == (len(side.axes),)
    np.testing.assert_allclose(state[:3], side.ik.forward(arm[0])[:3, 3])
    np.testing.assert_allclose(state[9:], codec.encode(codec.member(side.hand), hand)[0])


def test_a_recording_gives_the_same_states_as_its_samples(side):
    arm, hand = motion(side, 4)
    single = [side.latent_state(a, h) for a, h in zip(arm, hand, strict=True)]
    np.testing.assert_allclose(side.latent_states(arm, hand), single, atol=1e-5)


def test_a_state_sent_back_as_a_chunk_keeps_arm_and_hand_where_they_are(side):
    arm, hand = motion(side, 1)
    chunk = np.repeat(side.latent_state(arm[0], hand[0])[None], 16, axis=0)
    arm_q, hand_q, status = side.decode_chunk(chunk, arm[0])
    assert status.ok
    np.testing.assert_allclose(arm_q, np.repeat(arm, 16, axis=0), atol=0.01)
    np.testing.assert_allclose(hand_q, np.repeat(hand, 16, axis=0), atol=0.02)


def test_a_motion_comes_back_as_the_same_wrist_path_and_hand_motion(side):
    arm, hand = motion(side)
    arm_q, hand_q, status = side.decode_chunk(side.latent_states(arm, hand), arm[0])
    assert status.ok
    np.testing.assert_allclose(side.latent_states(arm_q, hand_q)[:, :9], chunk_of(side)[:, :9], atol=2e-3)
    np.testing.assert_allclose(hand_q, hand, atol=0.04)
    assert np.abs(np.diff(arm_q, axis=0)).max() < 0.1


def test_both_sides_are_mirror_images(codec):
    states = {}
    for name, y in (("left", 0.4), ("right", -0.4)):
        hand = embodiments.load("ability", name)
        side = SideCodec(codec, embodiments.load("xarm7", name), hand, pose((0, y, 0)))
        states[name] = side.latent_state(START * ([-1, 1] * 4)[:7] if name == "left" else START, hand.postures["open"])
    np.testing.assert_allclose(states["left"][9:], states["right"][9:], atol=1e-6)


@given(point=st.integers(0, 15), axis=st.integers(0, 24), value=st.sampled_from([np.nan, np.inf, -np.inf]))
@settings(max_examples=25)
def test_one_value_that_is_not_finite_refuses_the_whole_chunk(side, point, axis, value):
    chunk = chunk_of(side)
    chunk[point, axis] = value
    arm_q, hand_q, status = side.decode_chunk(chunk, START)
    assert status.code is ChunkCode.NOT_FINITE and side.axes[axis] in status.detail
    assert np.isnan(arm_q).all() and np.isnan(hand_q).all()


def test_a_wrist_without_rotation_refuses_the_chunk(side):
    chunk = chunk_of(side)
    chunk[7, 3:9] = 0
    arm_q, _, status = side.decode_chunk(chunk, START)
    assert status.code is ChunkCode.NO_ROTATION and status.detail == "point 7" and np.isnan(arm_q).all()


def test_a_wrist_out_of_reach_refuses_the_chunk(side):
    chunk = chunk_of(side)
    chunk[3:, 0] += 2.0
    arm_q, hand_q, status = side.decode_chunk(chunk, START)
    assert status.code is ChunkCode.UNREACHABLE and status.detail.startswith("point 3")
    assert np.isnan(arm_q).all() and np.isnan(hand_q).all()


def test_one_latent_outside_refuses_the_chunk_and_names_the_point(side, codec):
    chunk = chunk_of(side)
    chunk[2, 12] += 6.0
    arm_q, hand_q, status = side.decode_chunk(chunk, START)
    assert status.code is ChunkCode.OUTSIDE and np.isnan(arm_q).all() and np.isnan(hand_q).all()
    assert status.detail == str(codec.verdict(codec.member(side.hand), chunk[:, 9:])) and status.detail.startswith(
        "point 2, score -"
    )
    assert str(status).startswith("latent_outside: point 2")


@pytest.mark.parametrize("shape", [(0, 25), (16, 24), (25,)])
def test_a_chunk_of_another_shape_is_refused(side, shape):
    assert side.decode_chunk(np.zeros(shape), START)[2].code is ChunkCode.WRONG_SHAPE


def test_a_hand_that_was_not_loaded_is_an_error_at_once(codec):
    arm, hand = embodiments.load("xarm7"), embodiments.load("xarm7")
    with pytest.raises(KeyError, match="hand: found xarm7"):
        SideCodec(codec, arm, hand, np.eye(4))
