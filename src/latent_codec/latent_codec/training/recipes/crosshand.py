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

from embodiments.registry import Embodiment
from latent_codec import poses
from latent_codec.training import losses
from latent_codec.training.config import Strict, TrainingConfig
from latent_codec.training.hands import HandFrames, thumb_vectors
from latent_codec.training.model import Space


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
    anchor_latent: float = 5.0
    anchor_joints: float = 20.0


class Crosshand:
    """See the module. Batches of step k come from random numbers of (seed, k) alone."""

    Settings: ClassVar[type[Strict]] = Settings

    def __init__(self, hands: Sequence[Embodiment], config: TrainingConfig, settings: Settings) -> None:
        self.embodiments = {hand.name: hand for hand in hands}
        self.seed, self.settings = config.seed, settings
        torch.manual_seed(config.seed)
        self.space = Space(hands, config.latent_dim, settings.encoder, settings.decoder)
        rng = np.random.default_rng(config.seed)
        self.pools = {hand.name: [poses.pool(hand, part) for part in self._draw(hand, rng)] for hand in hands}

    def loss(self, step: int) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Loss and parts of one step."""
        rng = np.random.default_rng([self.seed, step])
        batch = {name: self._batch(name, rng) for name in self.embodiments}
        latent = {name: self._networks(name).encoder.from_tips(*batch[name]) for name in batch}
        anchors, anchor_latent, weights = self._anchors(rng)
        terms: dict[str, list[Tensor]] = {}
        for name in batch:
            for key, value in self._target_terms(name, batch, latent, anchors, anchor_latent, weights, rng).items():
                terms.setdefault(key, []).append(value)
        parts = {key: torch.stack(values).mean() for key, values in terms.items()}
        parts["statistics"] = self._statistics(latent) * self.settings.statistics
        parts["anchor_latent"] = self._anchor_spread(anchor_latent) * self.settings.anchor_latent
        return torch.stack(list(parts.values())).sum(), parts

    def _target_terms(self, target, batch, latent, anchors, anchor_latent, weights, rng) -> dict[str, Tensor]:
        """Terms of decoding all latents with the decoder of one hand."""
        s, networks, names = self.settings, self._networks(target), list(batch)
        frames = networks.frames
        size, count = len(batch[target][0]), len(anchors[target])
        source = self._noisy(torch.cat([latent[n] for n in names] + [anchor_latent[n] for n in names]), rng)
        joints = networks.decoder(source)
        free, tied = joints[: size * len(names)], joints[size * len(names) :]
        tips = frames.tips(free)
        own = slice(names.index(target) * size, (names.index(target) + 1) * size)
        terms = {
            "reconstruction": s.reconstruction * _unit_error(frames, free[own], batch[target][0]).mean(),
            "anchor_joints": s.anchor_joints
            * self._anchor_error(frames, tied.view(len(names), count, -1), anchors[target], weights),
        }
        terms.update(self._vector_terms(target, batch, thumb_vectors(tips).view(len(names), size, -1, 3)))
        if not frames.gripper:
            again = networks.encoder.from_tips(free, tips)[:, : s.cycle_dims]
            shared = torch.cat([torch.full((size,), float(self._is_hand(n))) for n in names])
            error = (again - source[: len(again), : s.cycle_dims]).square().mean(1)
            terms["cycle"] = s.cycle * (error * shared).sum() / shared.sum()
        return terms

    def _vector_terms(self, target: str, batch, decoded: Tensor) -> dict[str, Tensor]:
        """Cross-hand terms of one target; `decoded` (S, B, F - 1, 3) are its thumb vectors for latents of each hand."""
        s, frames, distances, directions = self.settings, self._networks(target).frames, [], []
        for index, (name, (_, tips)) in enumerate(batch.items()):
            fingers = self._networks(name).frames.fingers
            common = [f for f in frames.fingers[1:] if f in fingers]
            mine, theirs = [frames.fingers.index(f) - 1 for f in common], [fingers.index(f) - 1 for f in common]
            share = 1.0 if self._is_hand(name) and self._is_hand(target) else s.gripper_share
            distance, direction = losses.thumb_vector_terms(
                thumb_vectors(tips)[:, theirs], decoded[index][:, mine], s.decay, s.distance_scale, s.chord_scale
            )
            distances.append(share * distance)
            directions.append(share * direction)
        return {
            "distance": s.distance * torch.stack(distances).mean(),
            "direction": s.direction * torch.stack(directions).mean(),
        }

    def _anchor_error(self, frames: HandFrames, decoded: Tensor, wanted: Tensor, weights: Tensor) -> Tensor:
        """Squared error of anchors (S, K, n) decoded from each hand's latent, where `weights` (S, K) lets it speak."""
        return (_unit_error(frames, decoded, wanted) * weights).sum() / weights.sum()

    def _anchors(self, rng: np.random.Generator) -> tuple[dict[str, Tensor], dict[str, Tensor], Tensor]:
        """Anchor joints and latents of each hand, and which hand may speak for which anchor (S, K).

        Half are on the line open - grasp, the rest on the path open - pregrasp - grasp and anywhere between the three.
        A gripper has too few joints to tell the latter from the line, so there its latent is not asked to.
        """
        line = self._line
        path, inside = (self.settings.anchors - line) // 2, (self.settings.anchors - line + 1) // 2
        blends = [poses.line_weights(line, rng), poses.path_weights(path, rng), poses.simplex_weights(inside, rng)]
        weights = np.concatenate(blends)
        joints = {n: torch.tensor(poses.blend(h, weights), dtype=torch.float32) for n, h in self.embodiments.items()}
        latents = {name: self._networks(name).encoder(joints[name]) for name in joints}
        speaks = torch.ones(len(joints), len(weights))
        speaks[:, line:] = torch.tensor([[float(self._is_hand(name))] for name in joints])
        return joints, latents, speaks

    def _anchor_spread(self, latents: dict[str, Tensor]) -> Tensor:
        everyone = losses.spread(torch.stack([latent[: self._line] for latent in latents.values()]))
        hands = [latent[self._line :] for name, latent in latents.items() if self._is_hand(name)]
        return everyone + losses.spread(torch.stack(hands)) if hands else everyone

    @property
    def _line(self) -> int:
        """Number of anchors on the line open - grasp."""
        return self.settings.anchors // 2

    def _statistics(self, latent: dict[str, Tensor]) -> Tensor:
        hands = [value for name, value in latent.items() if self._is_hand(name)] or list(latent.values())
        return torch.stack([losses.unit_statistics(value) for value in hands]).mean()

    def _batch(self, name: str, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Joints (B, n) and tips (B, F, 3) of one hand: equal parts of each pool."""
        pools = self.pools[name]
        rows = [rng.integers(len(pool.joints), size=self.settings.batch // len(pools)) for pool in pools]
        joints = np.concatenate([pool.joints[row] for pool, row in zip(pools, rows, strict=True)])
        tips = np.concatenate([pool.tips[row] for pool, row in zip(pools, rows, strict=True)])
        return torch.from_numpy(joints), torch.from_numpy(tips)

    def _draw(self, hand: Embodiment, rng: np.random.Generator) -> list[np.ndarray]:
        """Uniform poses, noisy pinches and the neighbourhood of the postures' blends; the first two of equal share."""
        s = self.settings
        pinch = poses.pinches(hand, 4 * s.pool, s.pinch_keep, rng)
        near = poses.blend(hand, poses.simplex_weights(s.pool, rng))
        parts = [
            poses.uniform(hand, s.pool, rng),
            poses.jittered(hand, pinch, s.pinch_noise, s.pool, rng),
            poses.jittered(hand, near, s.near_noise, s.pool // 2, rng),
        ]
        return [parts[0], parts[1], parts[0], parts[1], parts[2]]

    def _noisy(self, latent: Tensor, rng: np.random.Generator) -> Tensor:
        noise = rng.standard_normal(tuple(latent.shape), dtype=np.float32)
        return latent + self.settings.latent_noise * torch.from_numpy(noise)

    def _is_hand(self, name: str) -> bool:
        return not self._networks(name).frames.gripper

    def _networks(self, name: str):
        return self.space.hands[name]


def _unit_error(frames: HandFrames, joints: Tensor, wanted: Tensor) -> Tensor:
    """Mean squared error over joints, in units of half the range of each."""
    return ((joints - wanted) / frames.half_range).square().mean(-1)
