"""A metric that does not distinguish a trained space from an untrained one is reported."""

from __future__ import annotations

import numpy as np
import pytest
from joint_space import JointSpace

from latent_codec.codec import Codec
from latent_codec.evaluation.measure import measure_space
from latent_codec.evaluation.selfcheck import CANNOT_TELL, MOVES, SelfCheckError, self_check
from latent_codec.evaluation.space import CodecSpace
from latent_codec.evaluation.table5 import COLUMNS


@pytest.fixture(scope="module")
def means():
    return measure_space(JointSpace(), 80)["mean"], measure_space(JointSpace(silent=True), 80)["mean"]


def test_every_column_says_how_it_improves_or_that_it_cannot_tell():
    assert set(COLUMNS) <= {*MOVES, *CANNOT_TELL} and not set(MOVES) & set(CANNOT_TELL)


def test_a_space_that_works_passes_against_one_that_does_not(means):
    self_check(*means)


def test_a_column_that_does_not_discriminate_is_named(means):
    trained, untrained = means
    same = {**trained, "tip_jerk_mm": untrained["tip_jerk_mm"]}
    with pytest.raises(SelfCheckError, match=r"^tip_jerk_mm: found 0 trained and 0 untrained, expected that it differ"):
        self_check(same, untrained)


def test_an_untrained_space_does_not_pass_for_a_trained_one(means):
    with pytest.raises(SelfCheckError, match=r"joint_rmse_rad: .*random_distance_mm: "):
        self_check(means[1], means[1])


def test_a_missing_column_is_named(means):
    lacking = {name: value for name, value in means[0].items() if name != "pinch_distance_mm"}
    with pytest.raises(SelfCheckError, match="pinch_distance_mm: found none"):
        self_check(lacking, means[1])


def test_the_shipped_space_differs_from_its_own_networks_untrained(shipped):
    untrained = pytest.importorskip("latent_codec.evaluation.selfcheck")
    codec = Codec.load(shipped, ("inspire", "xhand", "xarm_gripper"))
    trained = measure_space(CodecSpace(codec), 40)["mean"]
    self_check(trained, measure_space(untrained.UntrainedSpace(codec), 40)["mean"])


def test_an_exported_decoder_does_the_same_in_eager_torch(codec):
    eager = pytest.importorskip("latent_codec.evaluation.speed")
    network = eager.EagerNetwork.of(codec, codec.manifest.codec.hands["inspire"].decoder)
    latent = np.random.default_rng(0).normal(size=(4, codec.latent_dim)).astype(np.float32)
    entry = codec.manifest.codec.hands["inspire"]
    found = np.clip(network(latent), entry.lower, entry.upper)
    assert np.abs(found - CodecSpace(codec).decode("inspire", latent)).max() < 1e-5
