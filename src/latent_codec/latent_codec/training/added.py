"""How one hand joins a space that stands still: the terms of `crosshand`, as far as they concern the new hand.

The others' poses are decoded by the new decoder and the new hand's by theirs; gradients reach the new networks alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from embodiments import Embodiment
from latent_codec.training import losses
from latent_codec.training.anchors import Anchors
from latent_codec.training.config import TrainingConfig
from latent_codec.training.frozen import Frozen
from latent_codec.training.model import Space
from latent_codec.training.pairs import Pairs, latent_error, noisy, unit_error, vector_terms, within_reach
from latent_codec.training.pools import CHUNK, Pools, PoolSettings
from latent_codec.training.recipes.crosshand_settings import Settings

POOL = 16384  # poses of each other hand to draw from
OTHERS = 320  # poses of all other hands together that the new hand decodes in a step
SHOWN = 48  # poses of the new hand that each other hand decodes in a step


class AddedHand:
    """A recipe as the trainer takes it, whose `space` holds the new hand only."""

    Settings = Settings

    def __init__(
        self,
        robot: Embodiment,
        others: Sequence[Embodiment],
        frozen: Frozen,
        config: TrainingConfig,
        settings: Settings,
    ) -> None:
        self.settings, self.seed, self.frozen = settings, config.seed, frozen.space
        torch.manual_seed(config.seed)
        kind = {"tips": self.frozen.features.with_tips, "squash": self.frozen.squash}
        self.space = Space([robot], config.latent_dim, frozen.encoder, frozen.decoder, **kind)
        self.group = self.space.group
        s, rng = settings, np.random.default_rng(config.seed)
        spread = (s.pinch_keep, s.pinch_noise, s.near_noise)
        self.own = Pools([robot], self.group, PoolSettings(s.pool, *spread), rng)
        self.pools = Pools(others, self.frozen.group, PoolSettings(min(s.pool, POOL), *spread), rng)
        self.latents = [_encoded(self.frozen, *both) for both in zip(self.pools.joints, self.pools.tips, strict=True)]
        self.anchors = Anchors([robot], self.group, s.anchors), Anchors(others, self.frozen.group, s.anchors)
        self._compare(robot, others)
        self._measure()

    def _compare(self, robot: Embodiment, others: Sequence[Embodiment]) -> None:
        """Which fingers each other hand has in common with the new one, and what a pair with it counts."""
        mine, theirs = self.group.finger_mask[:, 1:], self.frozen.group.finger_mask[:, 1:]
        self.common = (mine & theirs).float()[:, None]
        gripper = torch.tensor([robot.kind == "gripper" or other.kind == "gripper" for other in others])
        self.share = torch.where(gripper, self.settings.gripper_share, 1.0)[:, None]
        self.real = 1.0 - gripper.float()

    def _measure(self) -> None:
        """Mean and standard deviation (N,) of each latent dimension, of hands or else of grippers."""
        rows = self.real > 0 if self.real.any() else slice(None)
        together = torch.cat([latents[rows].flatten(0, 1) for latents in self.latents])
        self.centre, self.scale = together.mean(0), together.std(0).clamp(min=1e-3)
        self.noise = self.settings.latent_noise * self.scale

    def loss(self, step: int) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Loss and parts of one step."""
        s, rng = self.settings, np.random.default_rng([self.seed, step])
        joints, tips = self.own.batch(s.batch, rng)
        latents = self.space.encode(joints, tips)
        theirs, wanted = self._drawn(rng)
        anchor_seed = [self.seed, step, 1]
        mine, others = (anchors.draw(np.random.default_rng(anchor_seed)) for anchors in self.anchors)
        with torch.no_grad():
            target = self.frozen.encode(others)
        anchor = self.space.encode(mine)
        parts = self._decoding(joints, tips, latents, theirs, wanted, mine, anchor, target, rng)
        shown = self._showing(tips[0, :SHOWN], latents[0, :SHOWN], anchor[0], others, rng)
        for name, value in shown.items():
            parts[name] = parts[name] + value
        parts["anchor_latent"] = s.anchor_latent * self._anchor_error(anchor[0], target)
        parts["statistics"] = (
            s.statistics * losses.unit_statistics((latents - self.centre) / self.scale) * float(self.real.any())
        )
        return torch.stack(list(parts.values())).sum(), parts

    def _drawn(self, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Latents (H, B, N) and fingertips (H, B, 5, 3) of the other hands."""
        hands = torch.arange(len(self.frozen.group.names))[:, None]
        size = max(1, OTHERS // (len(hands) * len(Pools.ORDER)))
        latents, tips = [], []
        for index in Pools.ORDER:
            rows = torch.from_numpy(rng.integers(self.latents[index].shape[1], size=(len(hands), size)))
            latents.append(self.latents[index][hands, rows])
            tips.append(self.pools.tips[index][hands, rows])
        return torch.cat(latents, dim=1), torch.cat(tips, dim=1)

    def _decoding(
        self,
        joints: Tensor,
        tips: Tensor,
        latents: Tensor,
        theirs: Tensor,
        wanted: Tensor,
        mine: Tensor,
        anchor: Tensor,
        target: Tensor,
        rng: np.random.Generator,
    ) -> dict[str, Tensor]:
        """Terms of the new decoder: own latents (1, B, N), others' (H, B', N), anchors own (1, K, N) and (H, K, N)."""
        s = self.settings
        given = [latents[0], theirs.flatten(0, 1), anchor[0], target.flatten(0, 1)]
        decoded = self.space.decode(noisy(torch.cat(given), self.noise, rng)[None])
        own, crossed, own_anchor, their_anchor = decoded.split([len(part) for part in given], dim=1)
        own_tips = self.group.tips(own)[0]
        found = self.group.tips(crossed)[0].unflatten(0, theirs.shape[:2])
        pairs = Pairs(wanted, found, self.common, self.share)
        same = Pairs(tips, own_tips[None], self.group.finger_mask[:, None, 1:].float(), torch.ones(1, 1))
        again = self.space.encode(crossed, found.flatten(0, 1)[None])[0].unflatten(0, theirs.shape[:2])
        tied = torch.cat([own_anchor, their_anchor[0].unflatten(0, target.shape[:2])])
        error = unit_error(self.group, tied[None], mine[None])[0]
        speaks = torch.cat([anchors.speaks for anchors in self.anchors])
        reach = within_reach(pairs, s) * self.real[:, None]
        parts = {
            "reconstruction": s.reconstruction * unit_error(self.group, own, joints).mean(),
            "anchor_joints": s.anchor_joints * (error * speaks).sum() / speaks.sum(),
            "cycle": s.cycle * latent_error(again, theirs, reach),
        }
        one, other = vector_terms(same, s), vector_terms(pairs, s)
        share = 1 / (1 + len(theirs))
        parts |= {name: share * one[name] + (1 - share) * other[name] for name in one}
        rows = self.real > 0
        if rows.any():
            crowds = torch.stack([again[rows].flatten(0, 1), theirs[rows].flatten(0, 1)])
            parts["moments"] = s.moments * losses.moment_gap(crowds)
        return parts

    def _showing(
        self, tips: Tensor, latents: Tensor, anchor: Tensor, others: Tensor, rng: np.random.Generator
    ) -> dict[str, Tensor]:
        """Terms of the new encoder: all other hands decode latents (B, N) and anchors (K, N) of the new one."""
        s, count = self.settings, len(self.frozen.group.names)
        given = noisy(torch.cat([latents, anchor]), self.noise, rng)
        decoded = self.frozen.decode(given.expand(count, -1, -1))
        free, tied = decoded[:, : len(latents)], decoded[:, len(latents) :]
        found = self.frozen.group.tips(free)
        pairs = Pairs(tips.expand(count, -1, -1, -1), found, self.common, self.share)
        again = self.frozen.encode(free, found)
        reach = within_reach(pairs, s) * self.real[:, None]
        error = unit_error(self.frozen.group, tied, others)
        speaks = self.anchors[0].speaks.expand_as(error)
        return {
            "anchor_joints": s.anchor_joints * (error * speaks).sum() / speaks.sum(),
            "cycle": s.cycle * latent_error(again, latents, reach),
            **vector_terms(pairs, s),
        }

    def _anchor_error(self, anchor: Tensor, target: Tensor) -> Tensor:
        """Distance of anchors' latents (K, N) from the mean of the other hands' (H, K, N), where both may speak."""
        weight = self.anchors[1].speaks[..., None]
        mean = (weight * target).sum(0) / weight.sum(0).clamp(min=1)
        speaks = self.anchors[0].speaks[0, :, None] * (weight.sum(0) > 0)
        return (speaks * (anchor - mean).square()).sum() / (speaks.sum() * anchor.shape[-1]).clamp(min=1)


def _encoded(space: Space, joints: Tensor, tips: Tensor) -> Tensor:
    """Latents (H, M, N) of joints (H, M, J) and their fingertips, in pieces that stay in the cache."""
    with torch.no_grad():
        pieces = zip(joints.split(CHUNK, dim=1), tips.split(CHUNK, dim=1), strict=True)
        return torch.cat([space.encode(*piece) for piece in pieces], dim=1)
