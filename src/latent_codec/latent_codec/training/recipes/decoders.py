"""The second stage of `crosshand`: decoders alone, larger ones, while the encoders and so the latents stay.

The first stage pays for each posture with the latents of several hands, and its decoders follow encoders that move.
Here most of what a decoder is shown is its own hand's, and its fingertips count in millimetres. Terms:

- `reconstruction`, `tips`: of its own hand's postures, half of them with noise on the latent;
- `distance`, `direction`, `shape`, `distill`, `anchor_joints`, `smoothness`, `driven`: as in the first stage, so that
  other hands' latents keep their meaning;
- `pinch`: as `distill`, of pinches of the human hand with each finger.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from latent_codec.training import crosshand_terms as terms
from latent_codec.training.across import Across
from latent_codec.training.config import Strict
from latent_codec.training.data.pools import Anchors, MatchedPoses, Pools, weighted_mean
from latent_codec.training.grouped_mlp import GroupedMLP, Layout
from latent_codec.training.model import Space


class DecoderSettings(Strict):
    """Sizes and weights of the stage."""

    steps: int = Field(ge=1)
    layout: Layout = Layout(widths=(256, 256, 256), skip=True)
    own: int = Field(default=200, ge=5, description="postures of its own hand that each decoder gets in a step")
    others: int = Field(default=100, ge=1, description="those of another hand; at most as many")
    matched: int = Field(default=96, ge=2, description="those that all hands match")
    pinches: int = Field(default=2048, ge=4, description="pinches of the human hand to draw from")
    pinch_batch: int = Field(default=32, ge=1, description="those in a step")
    own_noise: float = Field(default=0.03, ge=0, description="standard deviation, on half the own latents, on pinches")
    noise: float = Field(default=0.05, ge=0, description="standard deviation, on other latents")
    tips: float = Field(default=0.05, ge=0, description="weight of own fingertips, a mm")
    tip_scale: float = Field(default=1.0, gt=0, description="mm; from here on their error counts linearly")
    others_share: float = Field(default=1.0, ge=0, description="of the weights of the first stage")
    distill: float = Field(default=2.0, ge=0)
    pinch: float = Field(default=2.0, ge=0)
    smoothness: float = Field(default=0.005, ge=0)
    driven: float = Field(default=4e-7, ge=0, description="in pieces so short that the grasp is not rounded off")


class Decoders(nn.Module):
    """A recipe as the trainer takes it. Batches and noise of step k come from random numbers of (seed, k) alone.

    Args:
        space: The trained space; its decoders are replaced.
        pools: Postures of all hands.
        anchors: Hands closed by the same share.
        matched: Postures matched on all hands.
        pinches: Pinches of the human hand matched on all hands; none where there is no such hand.
        across: What pairs of hands count.
        weights: Of the first stage.
        settings: Of this one.
        seed: Of all random numbers.
    """

    def __init__(
        self,
        space: Space,
        pools: Pools,
        anchors: Anchors,
        matched: MatchedPoses,
        pinches: MatchedPoses,
        across: Across,
        weights: terms.Settings,
        settings: DecoderSettings,
        seed: int,
    ) -> None:
        super().__init__()
        self.space, self.pools, self.matched, self.pinches, self.across = space, pools, matched, pinches, across
        self.anchors, self.weights, self.settings, self.seed = anchors, weights, settings, seed
        self.group = space.group
        self.hands = torch.tensor(matched.rows)
        self.grippers = torch.tensor(self.group.of_kind("gripper"), dtype=torch.long)
        torch.manual_seed(seed + 1)
        count = len(self.group.names)
        width = self.group.joint_mask.shape[1]
        space.encoders.requires_grad_(False)
        space.decoders = GroupedMLP(settings.layout, [space.latent_dim] * count, space.latent_dim, width)

    def loss(self, step: int) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Loss and parts of one step."""
        s, w, rng = self.settings, self.weights, np.random.default_rng([self.seed, 1, step])
        joints, tips = self.pools.batch(s.own, rng)
        anchors, defined = self.anchors.draw(rng)
        match = self.matched.draw(s.matched, rng)
        every = torch.arange(len(joints))
        other = torch.tensor([int(rng.choice(np.delete(np.arange(len(joints)), row))) for row in range(len(joints))])
        chosen = torch.from_numpy(rng.permutation(s.own)[: s.others])
        with torch.no_grad():
            latents, tied = self.space.encode(joints, tips), self.space.encode(anchors)
            source = self.space.encode(match.joints, match.tips)[match.source].expand(len(joints), -1, -1)
        noise = s.own_noise * torch.from_numpy((rng.random((1, s.own, 1)) < 0.5).astype(np.float32))
        given = [latents[other][:, chosen], tied, tied[other], source]
        mixed = [terms.noisy(latents, noise, rng), terms.noisy(torch.cat(given, dim=1), s.noise, rng)]
        decoded = self.space.decode(torch.cat(mixed, dim=1)).split([s.own, *(part.shape[1] for part in given)], dim=1)
        own, crossed, *closed, best = decoded
        found = self.group.tips(torch.cat([own, crossed, best], dim=1))
        own_tips, crossed_tips, best_tips = found.split([own.shape[1], crossed.shape[1], best.shape[1]], dim=1)
        pairs = self.across.pairs(tips[other][:, chosen], other, crossed_tips, every)
        across = {name: s.others_share * value for name, value in terms.vector_terms(pairs, w).items()}
        error = terms.unit_error(self.group, torch.cat(closed, dim=1), torch.cat([anchors, anchors], dim=1))
        known = self.matched.pairs(match, self.hands)
        parts = {
            "reconstruction": w.reconstruction * terms.unit_error(self.group, own, joints).mean(),
            "tips": s.tips * terms.tips_away(self.group, own_tips, tips, s.tip_scale),
            "anchor_joints": w.anchor_joints * weighted_mean(error, torch.cat([defined, defined[other]], dim=1)),
            **across,
            "distill": s.distill * terms.best_error(best_tips[self.hands], known, w),
            "smoothness": s.smoothness * terms.squared_jerk(self.space, latents.flatten(0, 1), w.lines, rng),
        }
        if self.pinches.sources:
            parts["pinch"] = s.pinch * self._pinch(rng)
        if len(self.grippers):
            parts["driven"] = s.driven * self._driven(rng)
        return torch.stack(list(parts.values())).sum(), parts

    def _driven(self, rng: np.random.Generator) -> Tensor:
        lines = self.weights.driven_lines
        return terms.driven_jerk(self.space, self.grippers, lines, rng, terms.FINE_STEP)

    def _pinch(self, rng: np.random.Generator) -> Tensor:
        """How far what decoders make of the human's pinches is from the best that their hands can do."""
        match = self.pinches.draw(self.settings.pinch_batch, rng)
        with torch.no_grad():
            latents = self.space.encode(match.joints, match.tips)[match.source]
        given = terms.noisy(latents.expand(len(self.group.names), -1, -1), self.settings.own_noise, rng)
        decoded = self.group.tips(self.space.decode(given))[self.hands]
        return terms.best_error(decoded, self.pinches.pairs(match, self.hands), self.weights)
