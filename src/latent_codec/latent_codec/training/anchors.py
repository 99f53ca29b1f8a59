"""Anchors: open, pregrasp, grasp of every hand and blends of them, which shall share one latent."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from embodiments import Embodiment
from latent_codec import poses
from latent_codec.training.group import HandGroup


class Anchors:
    """Draws `count` blends a step, the same for all hands, and measures how far apart hands are there.

    Half are on the line open - grasp, the rest on the path open - pregrasp - grasp and anywhere between the three. A
    gripper has too few joints to tell the latter from the line, so there its latent is not asked to.
    """

    def __init__(self, hands: Sequence[Embodiment], group: HandGroup, count: int) -> None:
        self.line = count // 2
        self.path = (count - self.line) // 2
        self.inside = count - self.line - self.path
        postures = [torch.tensor(np.stack([hand.postures[p] for p in poses.POSTURES])) for hand in hands]
        self.postures = group.pad(postures).float()
        self.speaks = torch.ones(len(hands), count)
        self.speaks[[row for row, hand in enumerate(hands) if hand.kind == "gripper"], self.line :] = 0

    def draw(self, rng: np.random.Generator) -> Tensor:
        """Joints (H, K, J)."""
        weights = np.concatenate(
            [
                poses.line_weights(self.line, rng),
                poses.path_weights(self.path, rng),
                poses.simplex_weights(self.inside, rng),
            ]
        )
        return torch.tensor(weights, dtype=torch.float32) @ self.postures

    def latent_error(self, latents: Tensor) -> Tensor:
        """Spread over hands of the latents (H, K, N) of the same anchors, of those that each hand can tell apart."""
        weight = self.speaks[..., None]
        mean = (weight * latents).sum(0) / weight.sum(0).clamp(min=1)
        return (weight * (latents - mean).square()).sum() / (weight.sum() * latents.shape[-1])

    def joint_error(self, errors: Tensor, sources: Tensor) -> Tensor:
        """Mean of squared errors (H, S, K) of anchors decoded from the latents of hands `sources` (H, S) that may."""
        speaks = self.speaks[sources]
        return (errors * speaks).sum() / speaks.sum()
