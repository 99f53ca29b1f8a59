"""A hand that joins a space starts from the networks of the hand that moves most like it."""

from __future__ import annotations

import pytest
import torch

import embodiments
from latent_codec.training.grouped_mlp import Layout
from latent_codec.training.model import Space
from latent_codec.training.warm_start import most_alike, start_like

LAYOUT = Layout(widths=(16, 16), skip=True)


@pytest.mark.parametrize(
    ("name", "expected"), [("inspire", "ability"), ("mimic", "ability"), ("robotiq_2f85", "xarm_gripper")]
)
def test_the_hand_whose_fingertips_move_alike_is_chosen(name, expected):
    others = ["dexh13", "xarm_gripper", "ability", "allegro"]
    assert others[most_alike(embodiments.load(name), [embodiments.load(other) for other in others])] == expected


def test_all_is_taken_over_but_how_joints_come_in_and_go_out():
    torch.manual_seed(0)
    hands = [embodiments.load(name) for name in ("inspire", "dexh13")]  # 6 and 16 joints, 5 and 4 fingers
    known, space = Space(hands, 8, LAYOUT, LAYOUT), Space(hands[:1], 8, LAYOUT, LAYOUT)
    start_like(space, known, 0)
    joints = 0.3 * torch.rand(1, 20, 6)
    padded = torch.zeros(2, 20, 16)
    padded[0, :, :6] = joints
    assert (space.encode(joints) - known.encode(padded)[:1]).abs().max() > 1e-3
    with torch.no_grad():
        for layer, other in (
            (space.encoders.blocks[0], known.encoders.blocks[0]),
            (space.encoders.skip, known.encoders.skip),
        ):
            layer.weight[0, :6] = other.weight[0, :6]
        for layer, other in (
            (space.decoders.blocks[-1], known.decoders.blocks[-1]),
            (space.decoders.skip, known.decoders.skip),
        ):
            layer.weight[0], layer.bias[0] = other.weight[0][:, :6], other.bias[0][:, :6]
    torch.testing.assert_close(space.encode(joints), known.encode(padded)[:1])
    latents = torch.randn(2, 20, 8)
    torch.testing.assert_close(space.decode(latents[:1]), known.decode(latents)[:1, :, :6])
