"""The oracle: the retargeted pose of each human pose."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import embodiments
from latent_codec.evaluation.oracle import Oracle
from latent_codec.evaluation.vectors import pose_set

FAST = {"starts": 2, "library": 1024, "iterations": 15}


@pytest.fixture(scope="module")
def sets():
    return {name: pose_set(embodiments.load(name), 40) for name in ("inspire", "xhand")}


@pytest.fixture
def oracle(tmp_path):
    return Oracle(tmp_path, settings=FAST)


def test_a_hand_reaches_its_own_poses(sets, oracle):
    best = oracle.best(sets["inspire"], embodiments.load("inspire"))
    assert best.reachable.mean() > 0.95
    assert np.median(best.errors.distance) < 0.1


def test_the_retargeted_pose_is_in_limits_and_beats_every_random_pose(sets, oracle):
    from latent_codec.evaluation.vectors import compare, thumb_vectors

    target = embodiments.load("inspire")
    best = oracle.best(sets["xhand"], target)
    assert (best.joints >= target.lower - 1e-6).all() and (best.joints <= target.upper + 1e-6).all()
    fingers = ("index", "middle", "ring", "little")
    wanted = thumb_vectors(sets["xhand"].hand, sets["xhand"].joints, fingers)
    random = thumb_vectors(target, np.random.default_rng(1).uniform(target.lower, target.upper, (500, 6)), fingers)
    costs = [cost(wanted, compare(wanted, np.broadcast_to(row, wanted.shape))) for row in random]
    assert (cost(wanted, best.errors) <= np.min(costs, axis=0) + 1e-6).all()


def cost(wanted, errors):
    weights = np.exp(-12 * np.linalg.norm(wanted, axis=-1))
    terms = 2000 * (errors.distance / 1e3) ** 2 + 5 * (1 - np.cos(np.radians(errors.direction)))
    return (weights * terms).sum(axis=1)


def test_the_second_time_the_oracle_is_read(sets, oracle, monkeypatch):
    first = oracle.best(sets["inspire"], embodiments.load("xhand"))
    monkeypatch.setattr(Oracle, "_compute", lambda *_: pytest.fail("it was computed again"))
    assert np.array_equal(oracle.best(sets["inspire"], embodiments.load("xhand")).joints, first.joints)
    assert oracle.missing([(sets["inspire"], embodiments.load("xhand"))]) == []


def test_a_damaged_file_is_computed_again(sets, oracle, tmp_path):
    first = oracle.best(sets["inspire"], embodiments.load("xhand"))
    (path,) = tmp_path.glob("*.safetensors")
    path.write_bytes(path.read_bytes()[:100])
    assert np.array_equal(oracle.best(sets["inspire"], embodiments.load("xhand")).joints, first.joints)


def test_new_limits_mean_a_new_oracle_and_new_postures_do_not(sets, oracle):
    hand = embodiments.load("inspire")
    key = oracle.key(sets["xhand"], hand)
    assert oracle.key(sets["xhand"], dataclasses.replace(hand, postures={})) == key
    assert oracle.key(sets["xhand"], dataclasses.replace(hand, upper=hand.upper * 0.9)) != key
    assert Oracle(oracle.directory, settings={**FAST, "starts": 3}).key(sets["xhand"], hand) != key
