"""Encoding, decoding, and what the shipped space promises."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import embodiments
from latent_codec.codec import DecodeStatus
from latent_codec.poses import POSTURES, uniform

HANDS = ("inspire", "ability", "xhand", "xarm_gripper", "franka_gripper")
FIVE_FINGERS = HANDS[:3]


def tolerance(hand: str) -> float:
    """0.02 rad, or 1 mm of a gripper."""
    return 0.02 if hand in FIVE_FINGERS else 1e-3


@pytest.mark.parametrize("hand", HANDS)
def test_random_poses_come_back(codec, hand):
    robot = embodiments.load(hand)
    joints = uniform(robot, 500, np.random.default_rng(3))
    decoded, status = codec.decode(hand, np.clip(codec.encode(hand, joints), -codec.latent_bound, codec.latent_bound))
    assert status is DecodeStatus.OK
    assert np.sqrt(np.mean((decoded - joints) ** 2)) < 0.06


@pytest.mark.parametrize("hand", HANDS)
@pytest.mark.parametrize("posture", POSTURES)
def test_postures_come_back_exactly_enough_to_grasp(codec, hand, posture):
    joints = embodiments.load(hand).postures[posture][None]
    decoded, status = codec.decode(hand, codec.encode(hand, joints))
    assert status is DecodeStatus.OK
    np.testing.assert_allclose(decoded, joints, atol=tolerance(hand))


@pytest.mark.parametrize("target", HANDS)
@pytest.mark.parametrize("source", HANDS)
@pytest.mark.parametrize("posture", ["open", "grasp"])
def test_a_grasp_of_one_hand_is_a_grasp_of_every_other(codec, source, target, posture):
    latent = codec.encode(source, embodiments.load(source).postures[posture][None])
    decoded, _ = codec.decode(target, latent)
    np.testing.assert_allclose(decoded[0], embodiments.load(target).postures[posture], atol=2 * tolerance(target))


@given(z=arrays(float, (3, 16), elements=st.floats(-3, 3)), hand=st.sampled_from(HANDS))
@settings(max_examples=50)
def test_whatever_is_decoded_is_within_the_limits(codec, z, hand):
    robot = embodiments.load(hand)
    joints, status = codec.decode(hand, z)
    assert status is DecodeStatus.OK
    assert np.all(joints >= robot.lower) and np.all(joints <= robot.upper)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_latents_that_are_not_finite_give_nothing_to_execute(codec, value):
    latent = np.zeros((2, codec.latent_dim))
    latent[1, 3] = value
    joints, status = codec.decode("inspire", latent)
    assert status is DecodeStatus.NOT_FINITE and np.isnan(joints).all()


def test_latents_far_outside_of_the_space_give_nothing_to_execute(codec):
    latent = np.full((1, codec.latent_dim), 1.01 * codec.latent_bound)
    joints, status = codec.decode("inspire", latent)
    assert status is DecodeStatus.OUTSIDE and np.isnan(joints).all()


def test_all_poses_of_all_hands_are_inside_of_the_space(codec):
    for hand in HANDS:
        joints = uniform(embodiments.load(hand), 2000, np.random.default_rng(4))
        assert codec.decode(hand, codec.encode(hand, joints))[1] is DecodeStatus.OK


def test_wrong_shapes_and_hands_are_named(codec):
    with pytest.raises(ValueError, match=r"joints: found shape \(1, 5\), expected \(B, 6\)"):
        codec.encode("inspire", np.zeros((1, 5)))
    with pytest.raises(ValueError, match=r"latent: found shape \(16,\), expected \(B, 16\)"):
        codec.decode("inspire", np.zeros(16))
    with pytest.raises(KeyError, match="hand: found tentacle, expected one of inspire"):
        codec.encode("tentacle", np.zeros((1, 6)))
