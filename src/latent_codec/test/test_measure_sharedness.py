"""Probes, retrieval and consistency on latents whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from joint_space import JointSpace

from latent_codec.codec import Codec
from latent_codec.evaluation import probes, sharedness
from latent_codec.evaluation.encoded import encode
from latent_codec.evaluation.oracle import Oracle
from latent_codec.evaluation.sharedness import best_of, match
from latent_codec.evaluation.space import CodecSpace

FAST = {"starts": 1, "library": 512, "iterations": 8}


def probe(kind, latents):
    rows = np.random.default_rng(3).permutation(latents.shape[1])
    return probes.accuracy(kind, latents, rows[len(rows) // 5 :], rows[: len(rows) // 5])


def latents_of(count=600, hands=4, size=6):
    return np.random.default_rng(0).normal(size=(hands, count, size))


@pytest.mark.parametrize("kind", [probes.linear, probes.mlp, probes.large])
def test_latents_that_are_alike_leave_a_probe_at_chance(kind):
    assert probe(kind, latents_of()) == pytest.approx(0.25, abs=0.06)


@pytest.mark.parametrize("kind", [probes.linear, probes.mlp, probes.large])
def test_a_shifted_latent_names_its_hand(kind):
    latents = latents_of() + 8 * np.arange(4)[:, None, None]
    assert probe(kind, latents) > 0.99


def test_what_lies_in_the_sign_of_a_product_only_the_small_network_sees():
    x = np.random.default_rng(0).normal(size=(4, 1500, 2))
    x[:2, :, 1] = np.sign(x[:2, :, 0]) * np.abs(x[:2, :, 1])
    x[2:, :, 1] = -np.sign(x[2:, :, 0]) * np.abs(x[2:, :, 1])
    assert probe(probes.linear, x) < 0.32
    assert probe(probes.mlp, x) > 0.42  # two halves of two hands each that are alike


def test_the_linear_probe_has_converged():
    rng = np.random.default_rng(0)
    x, labels = rng.normal(size=(400, 3)), rng.integers(3, size=400)
    x[labels == 1, 0] += 1
    assert np.array_equal(probes.linear(x, labels)(x), probes.linear(x[::-1], labels[::-1])(x))


def test_one_latent_for_both_hands_is_consistent_on_every_path():
    encoded = encode(JointSpace(), 100)
    assert sharedness.reencoding(encoded, "inspire", "ability", None)["reencoding_std"] == pytest.approx(0, abs=1e-9)
    assert sharedness.reencoding(encoded, "inspire", "ability", None)["recall_top1"] == 1
    assert sharedness.path(encoded, "inspire", "ability") == {}  # there is no third hand


def test_hands_that_decode_to_one_pose_have_no_recall():
    encoded = encode(JointSpace(silent=True), 100)
    assert sharedness.reencoding(encoded, "inspire", "ability", None)["recall_top1"] == pytest.approx(0.01)


def test_latents_apart_are_far_when_encoded_again():
    encoded = encode(JointSpace(offset=50), 100)
    assert sharedness.reencoding(encoded, "inspire", "ability", None)["reencoding_std"] > 1


def test_matched_poses_come_from_every_hand_in_turn(tmp_path):
    encoded = encode(JointSpace(), 30)
    oracle = Oracle(tmp_path, settings=FAST)
    matched = match(encoded, best_of(encoded, oracle), encoded.hands)
    assert matched.latents.shape == (2, 60, 6)
    assert np.array_equal(matched.latents[0, :30], encoded.latents["inspire"])
    assert np.array_equal(matched.latents[1, 30:], encoded.latents["ability"])
    assert matched.reachable[0, :30].all() and not matched.reachable[1, :30].all()


def test_a_pose_is_found_by_its_own_latent(tmp_path):
    encoded = encode(JointSpace(), 30)
    best = Oracle(tmp_path, settings=FAST).best(encoded.sets["inspire"], encoded.hand("inspire"))
    assert sharedness.retrieval(encoded, "inspire", best)["retrieval_top1"] > 0.9


def test_rank_correlation_shares_the_ranks_of_ties():
    assert sharedness.spearman(np.array([1.0, 2, 3, 4]), np.array([1.0, 8, 27, 64])) == pytest.approx(1)
    assert sharedness.spearman(np.array([1.0, 2, 3, 4]), np.array([4.0, 3, 2, 1])) == pytest.approx(-1)
    assert sharedness.spearman(np.array([1.0, 2, 2, 3]), np.array([1.0, 2, 2, 3])) == pytest.approx(1)
    assert sharedness.spearman(np.array([1.0, 2, 3]), np.array([5.0, 5, 5])) == 0


def test_the_shipped_grippers_open_with_thumb_and_nearest_finger(shipped):
    encoded = encode(CodecSpace(Codec.load(shipped, ("xhand", "xarm_gripper"))), 300)
    assert sharedness.opening(encoded, "xhand", "xarm_gripper")["opening_correlation"] > 0.9
