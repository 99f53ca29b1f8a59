"""Anchors: every hand closed by the same share, from open over pregrasp to grasp, which shall have one latent.

One curve, and no more. What lies beside it has no counterpart: the pregrasp of some hands is on their straight line
from open to grasp, so that if other blends were tied too, one pose of such a hand would have to have two latents.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from embodiments import Embodiment
from latent_codec.training.data import poses
from latent_codec.training.group import HandGroup


class Anchors:
    """Draws `count` shares a step, the same for all hands."""

    def __init__(self, hands: Sequence[Embodiment], group: HandGroup, count: int) -> None:
        self._hands, self._group, self._count = hands, group, count

    def draw(self, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Joints (H, K, J), and 1 where the latent of a hand means that share, 0 where it could be another (H, K)."""
        shares = poses.closing_shares(self._count, rng)
        joints = self._group.pad([torch.tensor(poses.closing(hand, shares)) for hand in self._hands]).float()
        speaks = torch.tensor(np.stack([poses.tells(hand, shares) for hand in self._hands])).float()
        return joints.to(self._group.device), speaks.to(self._group.device)


def weighted_mean(values: Tensor, weights: Tensor) -> Tensor:
    """Mean of `values`, of which `weights`, that broadcast to them, count."""
    weights = weights.expand_as(values)
    return (weights * values).sum() / weights.sum().clamp(min=1)


def latent_spread(latents: Tensor, speaks: Tensor) -> Tensor:
    """Mean square of distances of latents (H, K, N) of the same anchors from their mean, where hands speak (H, K)."""
    return weighted_mean((latents - centre(latents, speaks)).square(), speaks[..., None])


def centre(latents: Tensor, speaks: Tensor) -> Tensor:
    """Mean (K, N) of latents (H, K, N) over the hands that speak (H, K)."""
    weights = speaks[..., None]
    return (weights * latents).sum(0) / weights.sum(0).clamp(min=1)
