"""Train one hand into a space that does not change: the terms of `crosshand` that concern the new hand.

The others' poses are decoded by the new decoder and the new hand's by theirs; gradients reach the new networks alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from embodiments import Embodiment
from latent_codec.training import crosshand_terms as terms
from latent_codec.training import losses
from latent_codec.training.add_hand.frozen import Frozen
from latent_codec.training.add_hand.matches import AddedMatches, encoded
from latent_codec.training.config import TrainingConfig
from latent_codec.training.crosshand_terms import Pairs, Settings, unit_error
from latent_codec.training.data.pools import Anchors, Pools, PoolSettings, centre, weighted_mean
from latent_codec.training.group import FixedTensors
from latent_codec.training.model import Space

POOL = 16384  # poses of each other hand to draw from
OTHERS = 320  # poses of all other hands together that the new hand decodes in a step
SHOWN = 48  # poses of the new hand that each other hand decodes in a step
# The space does not adapt to a hand that is added, which has a quarter of the time: by so much its own joints,
# and the best that each hand can do for poses of the other, count for more than where all are trained together.
OWN_JOINTS, BEST = 4.0, 3.5


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
    """A recipe as the trainer takes it, whose `space` holds the new hand only."""

    common: Tensor
    share: Tensor
    real: Tensor
    centre: Tensor
    scale: Tensor
    noise: Tensor

    Settings = Settings

    def __init__(
        self,
        robot: Embodiment,
        others: Sequence[Embodiment],
        frozen: Frozen,
        config: TrainingConfig,
        settings: Settings,
    ) -> None:
        super().__init__()
        s = self.settings = settings
        self.seed, self.frozen = config.seed, frozen.space
        torch.manual_seed(config.seed)
        kind = {"tips": self.frozen.features.with_tips, "squash": self.frozen.squash}
        self.space = Space([robot], config.latent_dim, frozen.encoder, frozen.decoder, **kind)
        self.group = self.space.group
        rng, spread = np.random.default_rng(config.seed), (s.pinch_keep, s.pinch_noise, s.near_noise)
        self.own = Pools([robot], self.group, PoolSettings(s.pool, *spread), rng)
        self.pools = Pools(others, self.frozen.group, PoolSettings(min(s.pool, POOL), *spread), rng)
        pools = zip(self.pools.joints, self.pools.tips, strict=True)
        self.latents = FixedTensors(encoded(self.frozen, *both) for both in pools)
        self.anchors = Anchors([robot], self.group, s.anchors), Anchors(others, self.frozen.group, s.anchors)
        mine, theirs = self.group.finger_mask[:, 1:], self.frozen.group.finger_mask[:, 1:]
        self.register_buffer("common", (mine & theirs).float()[:, None], persistent=False)  # (H, 1, 4)
        gripper = torch.tensor([robot.kind == "gripper" or other.kind == "gripper" for other in others])
        self.register_buffer("share", torch.where(gripper, s.gripper_share, s.direct)[:, None], persistent=False)
        self.register_buffer("real", 1.0 - gripper.float(), persistent=False)
        self._measure()
        self.matches = None
        if s.matched and self.real.any():
            self.matches = AddedMatches(robot, others, (self.space, self.frozen), s, config.seed)

    def _measure(self) -> None:
        """Mean and standard deviation (N,) of each latent dimension, of hands or else of grippers."""
        rows = self.real > 0 if self.real.any() else slice(None)
        together = torch.cat([latents[rows].flatten(0, 1) for latents in self.latents])
        scale = together.std(0).clamp(min=1e-3)
        values = {"centre": together.mean(0), "scale": scale, "noise": self.settings.latent_noise * scale}
        for name, value in values.items():
            self.register_buffer(name, value, persistent=False)

    def loss(self, step: int) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Loss and parts of one step."""
        s, rng = self.settings, np.random.default_rng([self.seed, step])
        shown = self._shown(step, rng)
        parts = self._decoding(shown, rng)
        for name, value in self._showing(shown, rng).items():
            parts[name] = parts[name] + value
        parts["anchor_latent"] = s.anchor_latent * self._anchor_error(shown)
        if self.real.any():
            unit = (shown.latents - self.centre) / self.scale
            parts["statistics"] = s.statistics * losses.unit_statistics(unit)
        if self.matches is not None:
            parts |= self.matches.terms(self.noise, rng)
            parts["distill"] = BEST * parts["distill"]
        known = torch.cat([shown.latents.detach().flatten(0, 1), shown.their_latents.flatten(0, 1)])
        parts["smoothness"] = s.smoothness * terms.squared_jerk(self.space, known, s.lines, rng)
        return torch.stack(list(parts.values())).sum(), parts

    def _shown(self, step: int, rng: np.random.Generator) -> Shown:
        """Draw what step `step` starts from; only the new encoder's latents have a gradient."""
        joints, tips = self.own.batch(self.settings.batch, rng)
        hands = torch.arange(len(self.frozen.group.names))[:, None]
        size = max(1, OTHERS // (len(hands) * len(Pools.ORDER)))
        their_latents, their_tips = [], []
        for index in Pools.ORDER:
            rows = torch.from_numpy(rng.integers(self.latents[index].shape[1], size=(len(hands), size)))
            their_latents.append(self.latents[index][hands, rows])
            their_tips.append(self.pools.tips[index][hands, rows])
        drawn = [anchors.draw(np.random.default_rng([self.seed, step, 1])) for anchors in self.anchors]
        (mine, theirs), defined = zip(*drawn, strict=True)
        with torch.no_grad():
            target = self.frozen.encode(theirs)
        return Shown(
            joints=joints,
            tips=tips,
            latents=self.space.encode(joints, tips),
            their_tips=torch.cat(their_tips, dim=1),
            their_latents=torch.cat(their_latents, dim=1),
            anchors=(mine, theirs),
            anchor_latents=(self.space.encode(mine), target),
            defined=defined,
        )

    def _decoding(self, shown: Shown, rng: np.random.Generator) -> dict[str, Tensor]:
        """Terms of the new decoder, which gets its own latents and the others'."""
        s, theirs = self.settings, shown.their_latents
        anchor, target = shown.anchor_latents
        given = [shown.latents[0], theirs.flatten(0, 1), anchor[0], target.flatten(0, 1)]
        decoded = self.space.decode(terms.noisy(torch.cat(given), self.noise, rng)[None])
        own, crossed, own_anchor, their_anchor = decoded.split([len(part) for part in given], dim=1)
        found = self.group.tips(crossed)[0].unflatten(0, theirs.shape[:2])
        across = Pairs(shown.their_tips, found, self.common, self.share)
        same = Pairs(shown.tips, self.group.tips(own), self.group.finger_mask[:, None, 1:].float(), own.new_ones(1, 1))
        again = self.space.encode(crossed, found.flatten(0, 1)[None])[0].unflatten(0, theirs.shape[:2])
        tied = torch.cat([own_anchor, their_anchor[0].unflatten(0, target.shape[:2])])
        error = unit_error(self.group, tied[None], shown.anchors[0][None])[0]
        reach = terms.within_reach(across, s) * self.real[:, None]
        parts = {
            "reconstruction": OWN_JOINTS * s.reconstruction * unit_error(self.group, own, shown.joints).mean(),
            "anchor_joints": s.anchor_joints * weighted_mean(error, torch.cat(shown.defined)),
            "cycle": s.cycle * terms.latent_error(again, theirs, reach),
        }
        one, other = terms.vector_terms(same, s), terms.vector_terms(across, s)
        share = 1 / (1 + len(theirs))
        parts |= {name: share * one[name] + (1 - share) * other[name] for name in one}
        rows = self.real > 0
        if rows.any():
            crowds = torch.stack([again[rows].flatten(0, 1), theirs[rows].flatten(0, 1)])
            parts["moments"] = s.moments * losses.moment_gap(crowds)
        return parts

    def _showing(self, shown: Shown, rng: np.random.Generator) -> dict[str, Tensor]:
        """Terms of the new encoder, whose latents all other hands decode."""
        s, count = self.settings, len(self.frozen.group.names)
        tips, latents = shown.tips[0, :SHOWN], shown.latents[0, :SHOWN]
        given = terms.noisy(torch.cat([latents, shown.anchor_latents[0][0]]), self.noise, rng)
        decoded = self.frozen.decode(given.expand(count, -1, -1))
        free, tied = decoded[:, : len(latents)], decoded[:, len(latents) :]
        found = self.frozen.group.tips(free)
        across = Pairs(tips.expand(count, -1, -1, -1), found, self.common, self.share)
        again = self.frozen.encode(free, found)
        reach = terms.within_reach(across, s) * self.real[:, None]
        error = unit_error(self.frozen.group, tied, shown.anchors[1])
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
