"""A gripper that closes drives every hand smoothly: what the term of the training sees."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import embodiments
from latent_codec.training import crosshand_terms as terms
from latent_codec.training.grouped_mlp import Layout
from latent_codec.training.model import Space

HANDS = ["inspire", "xarm_gripper", "robotiq_2f85"]
GRIPPERS = torch.tensor([1, 2])


@pytest.fixture
def space():
    torch.manual_seed(0)
    return Space([embodiments.load(name) for name in HANDS], 8, Layout(widths=(16,)), Layout(widths=(16,)))


def jerk(space, step=terms.JERK_STEP):
    return float(terms.driven_jerk(space, GRIPPERS, 64, np.random.default_rng(0), step).detach())


@pytest.mark.parametrize("step", [terms.JERK_STEP, terms.FINE_STEP])
def test_pieces_of_the_way_of_each_gripper_are_encoded(space, monkeypatch, step):
    seen = []
    encode = space.encode
    monkeypatch.setattr(space, "encode", lambda joints: seen.append(joints) or encode(joints))
    jerk(space, step)
    (joints,) = seen
    unit = space.group.normalise(joints)[GRIPPERS, :, 0].unflatten(1, (4, 64))
    assert unit.min() >= -1 - 1e-6 and unit.max() <= 1 + 1e-6 and unit[:, 0].std() > 0.4
    assert torch.allclose(unit.diff(dim=1), torch.tensor(2 * step), atol=1e-6)


def test_a_jump_on_the_way_costs_and_reaches_the_encoder(space):
    smooth = jerk(space)
    encode = space.encode

    def jumping(joints):
        past = (space.group.normalise(joints)[..., :1] > 0).float() * space.group.grippers[:, None, None]
        return encode(joints) + past * jump

    jump = torch.ones(8, requires_grad=True)
    space.encode = jumping
    value = terms.driven_jerk(space, GRIPPERS, 64, np.random.default_rng(0))
    assert float(value.detach()) > 20 * smooth
    value.backward()
    assert jump.grad is not None and jump.grad.abs().sum() > 0


def test_in_shorter_pieces_a_corner_costs_less_of_what_a_jump_costs(space):
    encode = space.encode

    def cost(bend, step):
        def bent(joints):
            share = space.group.normalise(joints)[..., :1] * space.group.grippers[:, None, None]
            return encode(joints) + bend(share)

        space.encode = bent
        return jerk(space, step)

    def jump(share):
        return (share > 0).float()

    coarse, fine = (cost(torch.relu, step) / cost(jump, step) for step in (terms.JERK_STEP, terms.FINE_STEP))
    assert fine < 0.3 * coarse


def test_hands_that_stand_still_cost_nothing(space):
    for parameter in space.decoders.parameters():
        torch.nn.init.zeros_(parameter)
    assert jerk(space) < 1e-9
