"""The second stage of adding a hand: its decoder alone, while its encoder and so its latents stay.

What it is shown is as in the second stage of `crosshand` (`recipes.decoders`), but for pinches and closing grippers. A
step takes a quarter of the time of one of the first stage, as no other hand has to decode.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from latent_codec.training import crosshand_terms as terms
from latent_codec.training.add_hand.matches import encoded
from latent_codec.training.add_hand.others import Others
from latent_codec.training.data.pools import Anchors, Pools, weighted_mean
from latent_codec.training.group import FixedTensors
from latent_codec.training.model import Space
from latent_codec.training.recipes.decoders import DecoderSettings


class AddedDecoder(nn.Module):
    """A recipe as the trainer takes it. Batches and noise of step k come from random numbers of (seed, k) alone.

    Args:
        space: That of the new hand alone, with its trained encoder; its decoder is trained further.
        own: Postures of the new hand.
        anchors: The new hand closed by some share.
        parts: The other hands, some for each step.
        weights: Of the first stage.
        settings: Of this one; `others` are the postures of all other hands of a step together.
        seed: Of all random numbers.
    """

    def __init__(
        self,
        space: Space,
        own: Pools,
        anchors: Anchors,
        parts: nn.ModuleList,
        weights: terms.Settings,
        settings: DecoderSettings,
        seed: int,
    ) -> None:
        super().__init__()
        self.space, self.own, self.anchors, self.parts = space, own, anchors, parts
        self.group, self.weights, self.settings, self.seed = space.group, weights, settings, seed
        space.encoders.requires_grad_(False)
        self.latents = FixedTensors(encoded(space, *both) for both in zip(own.joints, own.tips, strict=True))
        self.row = torch.arange(1)

    def loss(self, step: int) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Loss and parts of one step."""
        s, w, rng = self.settings, self.weights, np.random.default_rng([self.seed, 1, step])
        others = cast("Others", self.parts[step % len(self.parts)])
        joints, tips, latents = self._own(rng)
        their_tips, their_latents = others.draw(s.others, rng)
        anchors, defined, tied = self._anchors(others, rng)
        given = [their_latents.flatten(0, 1), tied]
        match = others.matches.draw(s.matched, rng) if others.matches is not None else None
        if match is not None:
            given.append(match.latents)
        noise = s.own_noise * torch.from_numpy((rng.random((1, s.own, 1)) < 0.5).astype(np.float32))
        mixed = [terms.noisy(latents, noise.to(latents.device), rng), terms.noisy(torch.cat(given)[None], s.noise, rng)]
        decoded = self.space.decode(torch.cat(mixed, dim=1)).split([s.own, *map(len, given)], dim=1)
        own, crossed, closed, *best = decoded
        shown = self.group.tips(torch.cat([own, crossed, *best], dim=1))
        own_tips, crossed_tips, *best_tips = shown.split([part.shape[1] for part in (own, crossed, *best)], dim=1)
        rows = torch.arange(len(their_tips))
        pairs = others.received.pairs(their_tips, rows, crossed_tips[0].unflatten(0, their_tips.shape[:2]), self.row)
        error = terms.unit_error(self.group, closed, anchors)
        known = torch.cat([latents.flatten(0, 1), their_latents.flatten(0, 1)])
        parts = {
            "reconstruction": w.reconstruction * terms.unit_error(self.group, own, joints).mean(),
            "tips": s.tips * terms.tips_away(self.group, own_tips, tips, s.tip_scale),
            "anchor_joints": w.anchor_joints * weighted_mean(error, defined),
            **{name: s.others_share * value for name, value in terms.vector_terms(pairs, w).items()},
            "smoothness": s.smoothness * terms.squared_jerk(self.space, known, w.lines, rng),
        }
        if match is not None:
            parts["distill"] = s.distill * terms.best_error(best_tips[0], match.best, w)
        return torch.stack(list(parts.values())).sum(), parts

    def _own(self, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Joints (1, B, J), fingertips (1, B, 5, 3) and latents (1, B, N) of postures of the new hand."""
        rows = list(self.own.rows(self.settings.own, rng))
        pools = (self.own.joints, self.own.tips, self.latents)
        joints, tips, latents = (torch.cat([pool[index][:, part[0]] for index, part in rows], dim=1) for pool in pools)
        return joints, tips, latents

    def _anchors(self, others: Others, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """The new hand closed as its own anchors and the others' are: joints (1, M, J), (1, M) where they speak.

        The third are the latents (M, N) that shall decode to these joints.
        """
        shares = int(rng.integers(2**31))
        drawn = [both.draw(np.random.default_rng(shares)) for both in (self.anchors, others.anchors)]
        (mine, theirs), (defined, speak) = zip(*drawn, strict=True)
        with torch.no_grad():
            latents = torch.cat([self.space.encode(mine), others.space.encode(theirs)])
        joints = mine.expand(len(latents), -1, -1).flatten(0, 1)
        return joints[None], torch.cat([defined, speak]).flatten()[None], latents.flatten(0, 1)
