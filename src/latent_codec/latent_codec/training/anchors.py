"""Anchors: open, pregrasp, grasp of every hand and blends of them, which shall share one latent."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from embodiments import Embodiment
from latent_codec import poses
from latent_codec.training import losses


class Anchors:
    """Draws `count` blends a step, the same for all hands, and measures how far apart hands are there.

    Half are on the line open - grasp, the rest on the path open - pregrasp - grasp and anywhere between the three. A
    gripper has too few joints to tell the latter from the line, so there its latent is not asked to.
    """

    def __init__(self, hands: Mapping[str, Embodiment], count: int) -> None:
        self.hands = hands
        self.line = count // 2
        self.path = (count - self.line) // 2
        self.inside = count - self.line - self.path
        speaks = np.ones((len(hands), count), dtype=np.float32)
        for row, hand in enumerate(hands.values()):
            speaks[row, self.line :] = hand.kind != "gripper"
        self.speaks = torch.from_numpy(speaks)

    def draw(self, rng: np.random.Generator) -> dict[str, Tensor]:
        """Joints (K, n) of each hand."""
        weights = np.concatenate(
            [
                poses.line_weights(self.line, rng),
                poses.path_weights(self.path, rng),
                poses.simplex_weights(self.inside, rng),
            ]
        )
        return {n: torch.tensor(poses.blend(hand, weights), dtype=torch.float32) for n, hand in self.hands.items()}

    def latent_error(self, latents: Mapping[str, Tensor]) -> Tensor:
        """Spread over hands of the latents (K, N) of the same anchors, of those that each hand can tell apart."""
        everyone = losses.spread(torch.stack([latent[: self.line] for latent in latents.values()]))
        able = [latents[name][self.line :] for name, hand in self.hands.items() if hand.kind != "gripper"]
        return everyone + losses.spread(torch.stack(able)) if able else everyone

    def joint_error(self, errors: Tensor) -> Tensor:
        """Mean of squared errors (S, K) of anchors decoded from the latents of S hands, where those may speak."""
        return (errors * self.speaks).sum() / self.speaks.sum()
