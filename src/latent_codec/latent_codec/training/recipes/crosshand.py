"""The first recipe: reconstruct each hand, share thumb-to-finger vectors across hands, tie the grasp postures.

Terms: joint reconstruction; cross-hand thumb-to-finger distance and direction through differentiable kinematics, in the
grasp frame (after L2 of XL-VLA, arXiv 2603.10158, with a robust loss); unit variance of the latent under training
noise; re-encoding a decoded pose gives back its latent on the first `cycle_dims` dimensions (what is shared lives
there); and anchors: open, pregrasp, grasp of every hand and blends of them share one latent and decode to each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from embodiments import Embodiment
from latent_codec.training import losses
from latent_codec.training.anchors import Anchors
from latent_codec.training.config import Strict, TrainingConfig
from latent_codec.training.hands import HandFrames, thumb_vectors
from latent_codec.training.model import HandNetworks, Space
from latent_codec.training.pools import Pools, PoolSettings

Batch = dict[str, tuple[Tensor, Tensor]]  # hand -> joints (B, n), fingertips (B, F, 3)


class Settings(Strict):
    """Sizes and weights of the recipe; distances in m."""

    encoder: tuple[int, ...] = (128, 128, 128)
    decoder: tuple[int, ...] = (192, 192, 192)
    batch: int = Field(128, ge=4)
    anchors: int = Field(32, ge=4)
    pool: int = Field(65536, ge=64)
    pinch_keep: float = Field(0.01, gt=0, le=1)
    pinch_noise: float = Field(0.05, ge=0)
    near_noise: float = Field(0.1, ge=0)
    latent_noise: float = Field(0.05, ge=0)
    reconstruction: float = 8.0
    distance: float = 2000.0
    direction: float = 5.0
    decay: float = 12.0
    distance_scale: float = Field(0.005, gt=0)
    chord_scale: float = Field(0.15, gt=0)
    gripper_share: float = Field(0.3, ge=0)
    statistics: float = 0.1
    cycle: float = 0.2
    cycle_dims: int = Field(8, ge=1)
    anchor_latent: float = 10.0
    anchor_joints: float = 40.0


class Crosshand:
    """See the module. Batches and noise of step k come from random numbers of (seed, k) alone."""

    Settings: ClassVar[type[Strict]] = Settings

    def __init__(self, hands: Sequence[Embodiment], config: TrainingConfig, settings: Settings) -> None:
        s = self.settings = settings
        self.seed = config.seed
        torch.manual_seed(config.seed)
        self.space = Space(hands, config.latent_dim, s.encoder, s.decoder)
        self.anchors = Anchors({hand.name: hand for hand in hands}, s.anchors)
        rng = np.random.default_rng(config.seed)
        pool_settings = PoolSettings(s.pool, s.pinch_keep, s.pinch_noise, s.near_noise)
        self.pools = {hand.name: Pools(hand, pool_settings, rng) for hand in hands}

    def loss(self, step: int) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Loss and parts of one step."""
        s, rng = self.settings, np.random.default_rng([self.seed, step])
        batch = {name: pools.batch(s.batch, rng) for name, pools in self.pools.items()}
        latents = {name: self._networks(name).encoder.from_tips(*batch[name]) for name in batch}
        anchors = self.anchors.draw(rng)
        anchor_latents = {name: self._networks(name).encoder(joints) for name, joints in anchors.items()}
        everything = torch.cat([*latents.values(), *anchor_latents.values()])
        per_hand = [self._decoding_terms(name, batch, anchors[name], self._noisy(everything, rng)) for name in batch]
        parts = {key: torch.stack([t[key] for t in per_hand if key in t]).mean() for key in _keys(per_hand)}
        parts["statistics"] = s.statistics * self._statistics(latents)
        parts["anchor_latent"] = s.anchor_latent * self.anchors.latent_error(anchor_latents)
        return torch.stack(list(parts.values())).sum(), parts

    def _decoding_terms(self, target: str, batch: Batch, anchors: Tensor, latents: Tensor) -> dict[str, Tensor]:
        """Terms of one hand decoding all `latents`: the batches of all hands one after the other, then the anchors."""
        s, networks, names = self.settings, self._networks(target), list(batch)
        frames, size = networks.frames, len(batch[target][0])
        joints = networks.decoder(latents)
        free, tied = joints[: size * len(names)], joints[size * len(names) :].unflatten(0, (len(names), -1))
        own = free[names.index(target) * size :][:size]
        tips = frames.tips(free)
        terms = {
            "reconstruction": s.reconstruction * _unit_error(frames, own, batch[target][0]).mean(),
            "anchor_joints": s.anchor_joints * self.anchors.joint_error(_unit_error(frames, tied, anchors)),
        }
        terms |= self._vector_terms(target, batch, thumb_vectors(tips).unflatten(0, (len(names), size)))
        if not frames.gripper:
            again = networks.encoder.from_tips(free, tips)
            terms["cycle"] = s.cycle * self._cycle_error(again, latents[: len(again)], names)
        return terms

    def _vector_terms(self, target: str, batch: Batch, decoded: Tensor) -> dict[str, Tensor]:
        """Cross-hand terms of one target; `decoded` (S, B, F - 1, 3) are its thumb vectors for latents of each hand."""
        s, frames, distances, directions = self.settings, self._networks(target).frames, [], []
        for index, (name, (_, tips)) in enumerate(batch.items()):
            source = self._networks(name).frames
            common = [finger for finger in frames.fingers[1:] if finger in source.fingers]
            mine, theirs = ([f.fingers.index(finger) - 1 for finger in common] for f in (frames, source))
            share = s.gripper_share if frames.gripper or source.gripper else 1.0
            distance, direction = losses.thumb_vector_terms(
                thumb_vectors(tips)[:, theirs], decoded[index][:, mine], s.decay, s.distance_scale, s.chord_scale
            )
            distances.append(share * distance)
            directions.append(share * direction)
        return {
            "distance": s.distance * torch.stack(distances).mean(),
            "direction": s.direction * torch.stack(directions).mean(),
        }

    def _cycle_error(self, again: Tensor, latents: Tensor, names: Sequence[str]) -> Tensor:
        """How far re-encoded latents (S * B, N) are from what was decoded, on the shared dimensions, of real hands."""
        shared = self.settings.cycle_dims
        error = (again - latents)[:, :shared].square().mean(1).unflatten(0, (len(names), -1)).mean(1)
        hands = [index for index, name in enumerate(names) if not self._networks(name).frames.gripper]
        return error[hands].mean()

    def _statistics(self, latents: dict[str, Tensor]) -> Tensor:
        """Distance of each real hand's latents from zero mean and unit variance."""
        hands = [value for name, value in latents.items() if not self._networks(name).frames.gripper]
        return torch.stack([losses.unit_statistics(value) for value in hands or list(latents.values())]).mean()

    def _noisy(self, latents: Tensor, rng: np.random.Generator) -> Tensor:
        noise = rng.standard_normal(tuple(latents.shape), dtype=np.float32)
        return latents + self.settings.latent_noise * torch.from_numpy(noise)

    def _networks(self, name: str) -> HandNetworks:
        return self.space.hands[name]


def _keys(terms: Sequence[Mapping[str, Tensor]]) -> list[str]:
    """Names of all terms, in the order in which they first appear."""
    return list(dict.fromkeys(key for term in terms for key in term))


def _unit_error(frames: HandFrames, joints: Tensor, wanted: Tensor) -> Tensor:
    """Mean squared error over joints, in units of half the range of each."""
    return ((joints - wanted) / frames.half_range).square().mean(-1)
