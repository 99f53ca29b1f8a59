"""Some hands of a space that a new hand joins: their postures, and what each side is to show of the other's."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from latent_codec.training.across import Across
from latent_codec.training.add_hand.frozen import Frozen
from latent_codec.training.add_hand.matches import AddedMatches, encoded
from latent_codec.training.crosshand_terms import Settings
from latent_codec.training.data.pools import Anchors, Pools, PoolSettings
from latent_codec.training.group import FixedTensors
from latent_codec.training.model import Space

POOL = 4096  # poses of each hand and family to draw from: enough beside those of all other hands


class Others(nn.Module):
    """H frozen hands beside the new one.

    Args:
        frozen: Their networks.
        space: That of the new hand alone.
        own: Postures of the new hand.
        settings: Of the recipe.
        seed: Of all random numbers.
    """

    real: Tensor

    def __init__(self, frozen: Frozen, space: Space, own: Pools, settings: Settings, seed: int) -> None:
        super().__init__()
        s = settings
        self.space, mine, group = frozen.space, space.group, frozen.space.group
        self.pools = Pools(group.hands, group, PoolSettings(min(s.pool, POOL), s.families, s.noise), seed)
        pools = zip(self.pools.joints, self.pools.tips, strict=True)
        self.latents = FixedTensors(encoded(self.space, *both) for both in pools)
        self.anchors = Anchors(group.hands, group, s.anchors)
        shares = (s.direct, s.gripper_share)
        self.shown, self.received = Across(mine, group, *shares), Across(group, mine, *shares)
        self.register_buffer("real", 1.0 - (group.grippers | mine.grippers).float(), persistent=False)
        self.matches = None
        if s.matched and self.real.any():
            self.matches = AddedMatches((own, self.pools), (space, self.space), s, seed)

    def draw(self, count: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Fingertips (H, M, 5, 3) in m of about `count` postures of all H together, and their latents (H, M, N)."""
        hands = torch.arange(len(self.real))[:, None]
        rows = list(self.pools.rows(max(len(self.latents), count // len(hands)), rng))
        tips = [self.pools.tips[family][hands, part] for family, part in rows]
        return torch.cat(tips, dim=1), torch.cat([self.latents[family][hands, part] for family, part in rows], dim=1)
