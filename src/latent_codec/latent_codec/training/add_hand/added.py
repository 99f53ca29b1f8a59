"""Train one hand into a space that does not change: the terms of `crosshand` that concern the new hand.

The others' poses are decoded by the new decoder and the new hand's by theirs; gradients reach the new networks alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from embodiments import Embodiment
from latent_codec.training import crosshand_terms as terms
from latent_codec.training import losses
from latent_codec.training.across import Across
from latent_codec.training.add_hand.admissible import Admissible
from latent_codec.training.add_hand.decoder import AddedDecoder
from latent_codec.training.add_hand.frozen import Frozen
from latent_codec.training.add_hand.others import Others
from latent_codec.training.config import TrainingConfig
from latent_codec.training.crosshand_terms import Settings, unit_error
from latent_codec.training.data.pools import Anchors, Pools, PoolSettings, centre, weighted_mean
from latent_codec.training.model import Space
from latent_codec.training.recipes.decoders import DecoderSettings

POSES = 320  # of all other hands of a step together that the new hand decodes
SHOWN = 48  # poses of the new hand that each other hand decodes in a step
# The space does not adapt to a hand that is added, which has a quarter of the time: by so much its own joints,
# and the best that each hand can do for poses of the other, count for more than where all are trained together.
OWN_JOINTS, BEST = 4.0, 3.5
ADMISSIBLE = 0.05  # weight of what the score of its latents lacks


@dataclass(frozen=True, eq=False)
class Shown:
    """What one step starts from: poses of the new hand, poses of H others, and the same anchors K of all.

    joints (1, B, J), tips (1, B, 5, 3), latents (1, B, N); `their_tips` (H, M, 5, 3), `their_latents` (H, M, N);
    anchors: joints (1, K, J) and (H, K, J'), latents (1, K, N) and (H, K, N), whether they speak (1, K) and (H, K).
    """

    joints: Tensor
    tips: Tensor
    latents: Tensor
    their_tips: Tensor
    their_latents: Tensor
    anchors: tuple[Tensor, Tensor]
    anchor_latents: tuple[Tensor, Tensor]
    defined: tuple[Tensor, Tensor]


class AddedHand(nn.Module):
    """A recipe as the trainer takes it, whose `space` holds the new hand only.

    Args:
        robot: The new hand.
        frozen: The other hands in parts, of which each step takes the next: all in every step takes half as long again.
        admissible: What the other decoders accept.
        config: What the trainer takes, and the size and the seed.
        settings: Of the recipe.
    """

    centre: Tensor
    scale: Tensor
    noise: Tensor

    Settings = Settings
    DecoderSettings = DecoderSettings

    def __init__(
        self,
        robot: Embodiment,
        frozen: Sequence[Frozen],
        admissible: Admissible,
        config: TrainingConfig,
        settings: Settings,
    ) -> None:
        super().__init__()
        s = self.settings = settings
        self.seed, like = config.seed, frozen[0].space
        torch.manual_seed(config.seed)
        kind = {"tips": like.features.with_tips, "squash": like.squash}
        self.space = Space([robot], config.latent_dim, frozen[0].encoder, frozen[0].decoder, **kind)
        self.group = self.space.group
        self.own = Pools([robot], self.group, PoolSettings(s.pool, s.families, s.noise), config.seed)
        self.anchors = Anchors([robot], self.group, s.anchors)
        self.same, self.row = Across(self.group, self.group), torch.arange(1)
        self.admissible = admissible
        self._parts = nn.ModuleList(Others(part, self.space, self.own, s, config.seed) for part in frozen)
        self._measure()

    @property
    def parts(self) -> Sequence[Others]:
        """The other hands, some for each step."""
        return cast("Sequence[Others]", self._parts)

    def decoders(self, config: TrainingConfig, settings: DecoderSettings) -> AddedDecoder:
        """What trains the new decoder further, alone."""
        common = (self.space, self.own, self.anchors, self._parts)
        return AddedDecoder(*common, self.settings, settings, config.seed)

    def _measure(self) -> None:
        """Mean and standard deviation (N,) of each latent dimension, of hands or else of grippers."""
        hands = any(part.real.any() for part in self.parts)
        together = torch.cat(
            [
                latents[part.real > 0 if hands else slice(None)].flatten(0, 1)
                for part in self.parts
                for latents in part.latents
            ]
        )
        scale = together.std(0).clamp(min=1e-3)
        values = {"centre": together.mean(0), "scale": scale, "noise": self.settings.latent_noise * scale}
        for name, value in values.items():
            self.register_buffer(name, value, persistent=False)

    def loss(self, step: int) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Loss and parts of one step."""
        s, rng = self.settings, np.random.default_rng([self.seed, step])
        others = self.parts[step % len(self.parts)]
        shown = self._shown(others, step, rng)
        parts = self._decoding(others, shown, rng)
        for name, value in self._showing(others, shown, rng).items():
            parts[name] = parts[name] + value
        parts["anchor_latent"] = s.anchor_latent * self._anchor_error(shown)
        parts["admissible"] = ADMISSIBLE * self.admissible(shown.latents[0])
        if others.real.any():
            unit = (shown.latents - self.centre) / self.scale
            parts["statistics"] = s.statistics * losses.unit_statistics(unit)
        if others.matches is not None:
            parts |= others.matches.terms(self.noise, rng)
            parts["distill"] = BEST * parts["distill"]
        known = torch.cat([shown.latents.detach().flatten(0, 1), shown.their_latents.flatten(0, 1)])
        parts["smoothness"] = s.smoothness * terms.squared_jerk(self.space, known, s.lines, rng)
        return torch.stack(list(parts.values())).sum(), parts

    def _shown(self, others: Others, step: int, rng: np.random.Generator) -> Shown:
        """Draw what step `step` starts from; only the new encoder's latents have a gradient."""
        joints, tips = self.own.batch(self.settings.batch, rng)
        their_tips, their_latents = others.draw(POSES, rng)
        both = (self.anchors, others.anchors)
        drawn = [anchors.draw(np.random.default_rng([self.seed, step, 1])) for anchors in both]
        (mine, theirs), defined = zip(*drawn, strict=True)
        with torch.no_grad():
            target = others.space.encode(theirs)
        return Shown(
            joints=joints,
            tips=tips,
            latents=self.space.encode(joints, tips),
            their_tips=their_tips,
            their_latents=their_latents,
            anchors=(mine, theirs),
            anchor_latents=(self.space.encode(mine), target),
            defined=defined,
        )

    def _decoding(self, others: Others, shown: Shown, rng: np.random.Generator) -> dict[str, Tensor]:
        """Terms of the new decoder, which gets its own latents and the others'."""
        s, theirs = self.settings, shown.their_latents
        anchor, target = shown.anchor_latents
        given = [shown.latents[0], theirs.flatten(0, 1), anchor[0], target.flatten(0, 1)]
        decoded = self.space.decode(terms.noisy(torch.cat(given), self.noise, rng)[None])
        own, crossed, own_anchor, their_anchor = decoded.split([len(part) for part in given], dim=1)
        found = self.group.tips(crossed)[0].unflatten(0, theirs.shape[:2])
        across = others.received.pairs(shown.their_tips, torch.arange(len(theirs)), found, self.row)
        same = self.same.pairs(shown.tips, self.row, self.group.tips(own), self.row)
        again = self.space.encode(crossed, found.flatten(0, 1)[None])[0].unflatten(0, theirs.shape[:2])
        tied = torch.cat([own_anchor, their_anchor[0].unflatten(0, target.shape[:2])])
        error = unit_error(self.group, tied[None], shown.anchors[0][None])[0]
        reach = terms.within_reach(across, s) * others.real[:, None]
        parts = {
            "reconstruction": OWN_JOINTS * s.reconstruction * unit_error(self.group, own, shown.joints).mean(),
            "anchor_joints": s.anchor_joints * weighted_mean(error, torch.cat(shown.defined)),
            "cycle": s.cycle * terms.latent_error(again, theirs, reach),
        }
        one, other = terms.vector_terms(same, s), terms.vector_terms(across, s)
        share = 1 / (1 + sum(len(part.real) for part in self.parts))
        parts |= {name: share * one[name] + (1 - share) * other[name] for name in one}
        rows = others.real > 0
        if rows.any():
            crowds = torch.stack([again[rows].flatten(0, 1), theirs[rows].flatten(0, 1)])
            parts["moments"] = s.moments * losses.moment_gap(crowds)
        return parts

    def _showing(self, others: Others, shown: Shown, rng: np.random.Generator) -> dict[str, Tensor]:
        """Terms of the new encoder, whose latents the other hands decode."""
        s, count = self.settings, len(others.real)
        tips, latents = shown.tips[0, :SHOWN], shown.latents[0, :SHOWN]
        given = terms.noisy(torch.cat([latents, shown.anchor_latents[0][0]]), self.noise, rng)
        decoded = others.space.decode(given.expand(count, -1, -1))
        free, tied = decoded[:, : len(latents)], decoded[:, len(latents) :]
        found = others.space.group.tips(free)
        across = others.shown.pairs(tips.expand(count, -1, -1, -1), self.row, found, torch.arange(count))
        again = others.space.encode(free, found)
        reach = terms.within_reach(across, s) * others.real[:, None]
        error = unit_error(others.space.group, tied, shown.anchors[1])
        return {
            "anchor_joints": s.anchor_joints * weighted_mean(error, shown.defined[0]),
            "cycle": s.cycle * terms.latent_error(again, latents, reach),
            **terms.vector_terms(across, s),
        }

    @staticmethod
    def _anchor_error(shown: Shown) -> Tensor:
        """Mean square of the distances of the new hand's anchors from the others' mean, where both speak."""
        (latents, theirs), (defined, others) = shown.anchor_latents, shown.defined
        both = defined * (others.sum(0) > 0)
        return weighted_mean((latents - centre(theirs, others)).square(), both[..., None])
