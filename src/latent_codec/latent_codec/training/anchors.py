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
from latent_codec import poses
from latent_codec.training.group import HandGroup


class Anchors:
    """Draws `count` shares a step, the same for all hands."""

    def __init__(self, hands: Sequence[Embodiment], group: HandGroup, count: int) -> None:
        self._hands, self._group, self._count = hands, group, count

    def draw(self, rng: np.random.Generator) -> Tensor:
        """Joints (H, K, J)."""
        shares = poses.closing_shares(self._count, rng)
        return self._group.pad([torch.tensor(poses.closing(hand, shares)) for hand in self._hands]).float()


def latent_spread(latents: Tensor) -> Tensor:
    """Mean square of the distances of latents (H, K, N) of the same anchors from their mean over hands."""
    return (latents - latents.mean(0)).square().mean()
