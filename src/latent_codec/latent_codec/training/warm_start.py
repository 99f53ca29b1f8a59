"""Where the networks of a hand that joins a space start from: those of the hand that moves most like it.

Only what means the same for both is taken over: what an encoder makes of fingertips, what a decoder makes of a latent,
and all between. How joints come in and go out is learned anew.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from embodiments import Embodiment
from latent_codec import poses
from latent_codec.training.grouped_mlp import GroupedLinear, GroupedMLP, GroupedNorm
from latent_codec.training.model import Space

SHARES = np.linspace(0, 1, 11)


def most_alike(robot: Embodiment, others: Sequence[Embodiment]) -> int:
    """Row of the hand whose fingertips, of those that both have, are nearest to those of `robot` as both close."""
    distances = [_distance(robot, other) for other in others]
    return int(np.argmin(distances))


def start_like(space: Space, known: Space, row: int) -> None:
    """Copy from hand `row` of `known` into `space`, which holds one hand and is built alike."""
    mine, theirs = space.group.joint_mask.shape[1], known.group.joint_mask.shape[1]
    with torch.no_grad():
        for name, layer, other in _layers(space.encoders, known.encoders):
            first = name in ("first", "skip")
            layer.weight[0, mine if first else 0 :] = other.weight[row, theirs if first else 0 :]
            layer.bias[0] = other.bias[row]
        for name, layer, other in _layers(space.decoders, known.decoders):
            if name not in ("last", "skip"):
                layer.weight[0], layer.bias[0] = other.weight[row], other.bias[row]


def _distance(robot: Embodiment, other: Embodiment) -> float:
    """Mean distance in m over shares of closing and common fingertips; a hand and a gripper are another metre apart."""
    common = sorted(set(robot.tips) & set(other.tips))
    tips = [
        poses.grasp_tips(hand, poses.closing(hand, SHARES))[:, [list(hand.tips).index(tip) for tip in common]]
        for hand in (robot, other)
    ]
    apart = (robot.kind == "gripper") != (other.kind == "gripper")
    return apart + float(np.linalg.norm(tips[0] - tips[1], axis=-1).mean())


def _layers(mlp: GroupedMLP, other: GroupedMLP) -> list[tuple[str, GroupedLinear | GroupedNorm, GroupedLinear]]:
    """("first", "last", "skip" or "", layer, its counterpart) of what is learned."""
    pairs, end = list(zip(mlp.blocks, other.blocks, strict=True)), len(mlp.blocks) - 1
    named = [("first" if i == 0 else "last" if i == end else "", *pair) for i, pair in enumerate(pairs)]
    named += [("skip", mlp.skip, other.skip)]
    return [entry for entry in named if isinstance(entry[1], GroupedLinear | GroupedNorm)]
