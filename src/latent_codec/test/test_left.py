"""A left hand that is no mirror image of the right one has networks of its own, where the space has them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml
from tiny_space import TINY

import embodiments
from latent_codec.codec import Codec
from latent_codec.side import SideCodec
from latent_codec.training.main import main

pytestmark = pytest.mark.graph


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> Path:
    """A space of the right Inspire, its left one and a gripper, trained for a few steps."""
    folder = tmp_path_factory.mktemp("left")
    config = folder / "config.yaml"
    config.write_text(yaml.safe_dump({**TINY, "hands": ["inspire", "inspire@left", "xarm_gripper"]}))
    assert main(["--config", str(config), "--out", str(folder / "codec"), "--work", str(folder / "work")]) == 0
    return folder / "codec"


def side_codec(codec: Codec, side: str) -> SideCodec:
    arm, hand = embodiments.load("xarm7", side), embodiments.load("inspire", side)
    return SideCodec(codec, arm, hand, np.eye(4))


def test_the_left_networks_are_loaded_with_the_hand(bundle):
    assert set(Codec.load(bundle, ["inspire"]).hands) == {"inspire", "inspire@left"}
    assert set(Codec.load(bundle, ["xarm_gripper"]).hands) == {"xarm_gripper"}


@pytest.mark.parametrize(("side", "member"), [("left", "inspire@left"), ("right", "inspire")])
def test_each_side_has_its_own_networks(bundle, side, member):
    codec = Codec.load(bundle, ["inspire"])
    arm, hand = embodiments.load("xarm7", side), embodiments.load("inspire", side)
    latents = side_codec(codec, side).latent_states(arm.postures["home"][None], hand.postures["grasp"][None])
    expected = codec.encode(member, hand.postures["grasp"][None])
    np.testing.assert_array_equal(latents[0, -codec.latent_dim :], expected[0])
    assert codec.member(hand) == member


def test_a_space_without_left_networks_uses_those_of_the_right_hand(shipped):
    codec = Codec.load(shipped, ["xhand"])
    assert codec.member(embodiments.load("xhand", "left")) == "xhand"


def test_a_hand_that_is_not_there_is_named(bundle):
    with pytest.raises(KeyError, match="hand: found ability, expected one of"):
        Codec.load(bundle, ["inspire"]).member(embodiments.load("ability", "left"))
