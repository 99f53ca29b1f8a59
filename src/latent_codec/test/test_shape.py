"""Fingers in each hand's own proportions, and what counts between two hands."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import embodiments
from latent_codec.evaluation.meaning import pinches, point
from latent_codec.evaluation.oracle import Oracle
from latent_codec.evaluation.vectors import PoseSet
from latent_codec.training.across import Across
from latent_codec.training.data import families, poses
from latent_codec.training.group import HandGroup, thumb_vectors

HANDS = ["human", "inspire", "xhand", "allegro", "dex3", "xarm_gripper"]
HUMAN, ALLEGRO, GRIPPER = (HANDS.index(name) for name in ("human", "allegro", "xarm_gripper"))


@pytest.fixture(scope="module")
def group():
    return HandGroup([embodiments.load(name) for name in HANDS])


@pytest.fixture(scope="module")
def across(group):
    return Across(group, group)


def tips(group, row, joints):
    everyone = group.middle.repeat(1, len(joints), 1)
    everyone[row, :, : joints.shape[1]] = torch.tensor(joints, dtype=torch.float32)
    return group.tips(everyone)[row]


def row(index: int | list[int]) -> torch.Tensor:
    return torch.tensor(index)


@pytest.mark.parametrize("name", HANDS[:-1])
def test_a_hand_shows_its_own_posture_as_it_is(group, across, name):
    hand = HANDS.index(name)
    found = tips(group, hand, poses.uniform(group.hands[hand], 50, np.random.default_rng(0)))
    goals = across.goals(found, row(hand), row(hand))
    fingers = group.finger_mask[hand, 1:]
    assert torch.allclose(goals.tips[:, fingers], found[:, 1:][:, fingers], atol=1e-5)
    assert (goals.errors(found)[:, fingers] < 1e-6).all() and not goals.weight[:, ~fingers].any()


@pytest.mark.parametrize("name", HANDS[1:-1])
def test_an_open_or_closed_finger_is_wanted_open_or_closed(group, across, name):
    hand, robot = HANDS.index(name), embodiments.load(name)
    ends = {"open": robot.postures["open"], "fist": families.fist(robot)}
    human = {"open": group.hands[HUMAN].postures["open"], "fist": families.fist(group.hands[HUMAN])}
    for end, joints in human.items():
        goals = across.goals(tips(group, HUMAN, joints[None]), row(HUMAN), row(hand))
        wanted = tips(group, hand, ends[end][None])[:, 1:]
        weighed = goals.weight > 0.5
        assert weighed.sum() >= group.finger_mask[hand, 1:].sum() - 1, end
        assert torch.allclose(goals.tips[weighed], wanted[weighed], atol=2e-3), end


def test_at_the_thumb_the_way_to_it_counts_alone(group, across):
    found = tips(group, HUMAN, pinches(group.hands[HUMAN]))
    weight = across.goals(found, row(HUMAN), row(ALLEGRO)).weight
    distance = thumb_vectors(found).norm(dim=-1)
    assert (distance.diagonal() < 0.005).all() and (weight.diagonal() < 0.05).all()


def test_grippers_have_no_proportions(group, across):
    found = tips(group, HUMAN, poses.uniform(group.hands[HUMAN], 20, np.random.default_rng(0)))
    assert not across.goals(found, row(HUMAN), row(GRIPPER)).weight.any()
    assert not across.goals(found, row(GRIPPER), row(HUMAN)).weight.any()


def test_a_gripper_closes_on_the_pinch_of_any_finger(group, across):
    found = tips(group, HUMAN, pinches(group.hands[HUMAN]))[None]
    pairs = across.pairs(found, row([HUMAN]), found, row([GRIPPER]))
    assert (thumb_vectors(pairs.wanted)[0, :, 0].norm(dim=-1) < 0.005).all()
    assert pairs.common.tolist() == [[[1.0, 0.0, 0.0, 0.0]]]


@pytest.mark.parametrize("name", HANDS[:-1])
def test_a_gripper_that_closes_wants_every_hand_to_close(group, across, name):
    hand, gripper = HANDS.index(name), group.hands[GRIPPER]
    closing = np.linspace(gripper.postures["open"], gripper.lower, 50)
    found = tips(group, GRIPPER, closing)[None]
    wanted = thumb_vectors(across.pairs(found, row([GRIPPER]), found, row([hand])).wanted)[0, :, 0].norm(dim=-1)
    assert (wanted.diff() < 0).all() and wanted[-1] < 1e-3
    for posture in ("pregrasp", "grasp"):
        at = int(np.abs(closing - gripper.postures[posture]).sum(1).argmin())
        own = thumb_vectors(tips(group, hand, group.hands[hand].postures[posture][None]))[0, 0].norm()
        assert float(wanted[at]) == pytest.approx(float(own), abs=3e-3), posture


def test_hands_are_shown_each_finger_as_it_is(group, across):
    found = tips(group, HUMAN, pinches(group.hands[HUMAN]))[None]
    pairs = across.pairs(found, row([HUMAN]), found, row([ALLEGRO]))
    assert torch.equal(pairs.wanted, found) and pairs.common.tolist() == [[[1.0, 1.0, 1.0, 0.0]]]


def test_a_pair_with_a_gripper_counts_its_own_share(group):
    across, found = Across(group, group, 0.3, 0.7), torch.ones(2, 1, 5, 3)
    pairs = across.pairs(found, row([HUMAN, GRIPPER]), found, row([ALLEGRO, ALLEGRO]))
    assert pairs.share.flatten().tolist() == pytest.approx([0.3, 0.7])


def test_the_best_of_a_larger_hand_points_when_the_human_points(group, across):
    human, allegro = group.hands[HUMAN], group.hands[ALLEGRO]
    wanted = PoseSet(human, point(human), np.arange(0))
    goals = across.goals(tips(group, HUMAN, wanted.joints), row(HUMAN), row(ALLEGRO))
    oracle = Oracle(directory=None, settings={"starts": 2, "library": 1024, "iterations": 10})
    opened, travel = across.ends.opened[ALLEGRO, 0], across.ends.travel[ALLEGRO, 0]
    away = {
        name: float((tips(group, ALLEGRO, oracle.best(wanted, allegro, given).joints)[0, 1] - opened).norm() / travel)
        for name, given in {"proportions": goals, "millimetres": None}.items()
    }
    assert away["proportions"] < 0.05 < 0.25 < away["millimetres"]
