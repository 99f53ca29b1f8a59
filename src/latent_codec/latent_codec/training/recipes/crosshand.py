"""Crosshand: reconstruct each hand, share thumb-to-finger vectors, and let no hand be recognised by its latents.

Terms, in the grasp frame and through differentiable kinematics:

- `reconstruction`; `statistics`: unit variance of the latent, on which noise must not matter;
- `distance`, `direction`: of thumb-to-finger vectors across hands (after L2 of XL-VLA, arXiv 2603.10158), robust;
- `distill`: a latent decodes to the best that the target hand can do for the pose, found by direct optimisation. That
  can always be met, so what no hand can do does not compete with what it can;
- `cycle`, `align`: a decoded pose, and the best of another hand, encode to the latent of the pose that they stand for,
  as far as the hand could do it; `contrast`: nearer to it than to those of others (after LAD, arXiv 2506.14608);
- `moments`: latents of all hands' versions of the same poses have the same mean and covariance;
- `smoothness`: fingertips move without jerk along straight lines in the latent space;
- `anchor_latent`, `anchor_joints`: open, pregrasp, grasp of every hand and blends of them share one latent and decode
  to each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from embodiments import Embodiment
from latent_codec.training import losses
from latent_codec.training.anchors import Anchors
from latent_codec.training.config import Strict, TrainingConfig
from latent_codec.training.group import thumb_vectors
from latent_codec.training.grouped_mlp import Layout
from latent_codec.training.matched import Match, MatchedPoses
from latent_codec.training.model import Space
from latent_codec.training.pools import Pools, PoolSettings

JERK_STEP = 1 / 16  # of a line between two latents


class Settings(Strict):
    """Sizes and weights of the recipe; distances in m."""

    encoder: Layout = Layout(widths=(128, 128, 128), skip=True)
    decoder: Layout = Layout(widths=(192, 192, 192), skip=True)
    batch: int = Field(160, ge=5)
    sources: int = Field(4, ge=1, description="hands whose latents each decoder gets in a step, its own among them")
    pool: int = Field(65536, ge=64)
    pinch_keep: float = Field(0.01, gt=0, le=1)
    pinch_noise: float = Field(0.05, ge=0)
    near_noise: float = Field(0.1, ge=0)
    latent_noise: float = Field(0.05, ge=0)
    reconstruction: float = 30.0
    statistics: float = 0.1
    # thumb vectors: what each pair of hands counts for, of what their latents decode to
    distance: float = 6000.0
    direction: float = 15.0
    decay: float = 12.0
    distance_scale: float = Field(0.002, gt=0)
    chord_scale: float = Field(0.05, gt=0)
    direct: float = 0.3
    gripper_share: float = Field(0.3, ge=0)
    cycle: float = 0.05
    reach_distance: float = Field(0.004, gt=0)
    reach_chord: float = Field(0.07, gt=0)
    matched: int = Field(8192, ge=0, description="poses of each hand that are matched on all others by optimisation")
    matched_batch: int = Field(128, ge=2)
    distill: float = 2.0
    align: float = 0.05
    moments: float = 2.0
    contrast: float = 0.03
    temperature: float = Field(0.05, gt=0)
    smoothness: float = 0.005
    lines: int = Field(32, ge=1, description="pairs of latents on the line between which decoding is to be smooth")
    anchors: int = Field(32, ge=4)
    anchor_latent: float = 40.0
    anchor_joints: float = 120.0


@dataclass(frozen=True, eq=False)
class Decoded:
    """What H decoders made of latents of S hands each, B poses a hand.

    sources: (H, S) rows of those hands, first the decoder's own. latents: (H, S, B, N) before noise.
    wanted: (H, S, B, 5, 3) fingertips of the poses they stand for. joints: (H, S, B, J), tips: (H, S, B, 5, 3) decoded.
    """

    sources: Tensor
    latents: Tensor
    wanted: Tensor
    joints: Tensor
    tips: Tensor


class Crosshand:
    """See the module. Batches and noise of step k come from random numbers of (seed, k) alone."""

    Settings: ClassVar[type[Strict]] = Settings

    def __init__(self, hands: Sequence[Embodiment], config: TrainingConfig, settings: Settings) -> None:
        s = self.settings = settings
        self.seed = config.seed
        torch.manual_seed(config.seed)
        self.space = Space(hands, config.latent_dim, s.encoder, s.decoder)
        self.group = self.space.group
        self.hands = self.group.of_kind("hand", "human") or list(range(len(hands)))
        self.anchors = Anchors(hands, self.group, s.anchors)
        pool_settings = PoolSettings(s.pool, s.pinch_keep, s.pinch_noise, s.near_noise)
        self.pools = Pools(hands, self.group, pool_settings, np.random.default_rng(config.seed))
        count = s.matched if len(self.hands) > 1 else 0
        self.matched = MatchedPoses(self.group, self.hands, count, config.seed)

    def loss(self, step: int) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Loss and parts of one step."""
        s, rng = self.settings, np.random.default_rng([self.seed, step])
        joints, tips = self.pools.batch(s.batch, rng)
        anchors = self.anchors.draw(rng)
        latents, anchor_latents = self.space.encode(joints, tips), self.space.encode(anchors)
        decoded, again = self._decode(latents, tips, anchor_latents, self._sources(rng), rng)
        own = self._unit_error(decoded.joints[:, 0], joints)
        tied = self._unit_error(again, anchors[:, None])
        parts = {
            "reconstruction": s.reconstruction * own.mean(),
            "anchor_joints": s.anchor_joints * self.anchors.joint_error(tied, decoded.sources),
            "anchor_latent": s.anchor_latent * self.anchors.latent_error(anchor_latents),
            "statistics": s.statistics * losses.unit_statistics(latents[self.hands]),
            **self._vector_terms(decoded),
            **self._sharing_terms(decoded),
            **self._matched_terms(rng),
            "smoothness": s.smoothness * self._jerk(latents.detach(), rng),
        }
        return torch.stack(list(parts.values())).sum(), parts

    def _sources(self, rng: np.random.Generator) -> Tensor:
        """(H, S) rows of the hands whose latents each decoder gets: its own, then others in random order."""
        count = len(self.group.names)
        others = [rng.permutation(np.delete(np.arange(count), row)) for row in range(count)]
        return torch.tensor([[row, *others[row][: self.settings.sources - 1]] for row in range(count)])

    def _decode(
        self, latents: Tensor, tips: Tensor, anchors: Tensor, sources: Tensor, rng: np.random.Generator
    ) -> tuple[Decoded, Tensor]:
        """Decode noisy latents (H, B, N) and anchors (H, K, N) of the sources; the latter come back (H, S, K, J)."""
        size = latents.shape[1]
        given = torch.cat([latents, anchors], dim=1)[sources]
        joints = self.space.decode(self._noisy(given, rng).flatten(1, 2)).unflatten(1, given.shape[1:3])
        free = joints[:, :, :size]
        decoded_tips = self.group.tips(free.flatten(1, 2)).unflatten(1, free.shape[1:3])
        return Decoded(sources, given[:, :, :size], tips[sources], free, decoded_tips), joints[:, :, size:]

    def _vector_terms(self, decoded: Decoded) -> dict[str, Tensor]:
        """Cross-hand mismatch of thumb vectors, weighted by nearness to the thumb; grippers count less."""
        wanted = thumb_vectors(decoded.wanted)
        distance, direction = self._errors(wanted, thumb_vectors(decoded.tips))
        weight = losses.nearness(wanted, self.settings.decay) * self._common(decoded) * self._share(decoded)
        return {"distance": (weight * distance).sum(-1).mean(), "direction": (weight * direction).sum(-1).mean()}

    def _sharing_terms(self, decoded: Decoded) -> dict[str, Tensor]:
        """Decoded poses encode back to where they came from if that was within reach, and hands look alike."""
        s, rows = self.settings, self.hands
        again = self.space.encode(decoded.joints.flatten(1, 2), decoded.tips.flatten(1, 2))
        again = again.unflatten(1, decoded.joints.shape[1:3])
        real = torch.zeros(len(self.group.names))
        real[rows] = 1
        reach = self._reach(decoded.wanted, decoded.tips, self._common(decoded))
        reach = reach * real[:, None, None] * real[decoded.sources][..., None]
        error = (again - decoded.latents).square().mean(-1)
        cycle = (reach * error).sum() / reach.sum().clamp(min=1)
        return {"cycle": s.cycle * cycle, "moments": s.moments * losses.moment_gap(again[rows].flatten(1, 2))}

    def _matched_terms(self, rng: np.random.Generator) -> dict[str, Tensor]:
        """The same poses, as each hand does them best, look alike, are near each other and far from other poses."""
        s, rows = self.settings, self.hands
        if not self.matched.matches:
            return {}
        match = self.matched.draw(s.matched_batch, rng)
        everyone = self.space.encode(match.joints, match.tips)
        source, latents = everyone[match.source], everyone[rows]
        mask = self.group.finger_mask[:, 1:]
        common = (mask & mask[match.source])[:, None].float()
        reach = self._reach(match.tips[match.source], match.tips, common)[rows]
        error = (latents - source).square().mean(-1)
        return {
            "align": s.align * (reach * error).sum() / reach.sum().clamp(min=1),
            "contrast": s.contrast * losses.contrast(latents, source, s.temperature),
            "matched_moments": s.moments * losses.moment_gap(latents),
            "distill": s.distill * self._distil(match, source, rng),
        }

    def _distil(self, match: Match, source: Tensor, rng: np.random.Generator) -> Tensor:
        """Latents (K, N) of the source decode to the best that each hand can do: a target that can always be met."""
        s, rows = self.settings, self.hands
        given = source.expand(len(self.group.names), -1, -1)
        found = thumb_vectors(self.group.tips(self.space.decode(self._noisy(given, rng))))[rows]
        best = thumb_vectors(match.tips)
        mask = self.group.finger_mask[:, 1:]
        common = (mask & mask[match.source])[rows, None].float()
        distance, direction = self._errors(best[rows], found)
        weight = losses.nearness(best[match.source], s.decay) * common
        return (weight * (distance + direction)).sum(-1).mean()

    def _jerk(self, latents: Tensor, rng: np.random.Generator) -> Tensor:
        """Mean square of the fingertips' third derivative (m) along short pieces of straight lines between latents."""
        s, hands = self.settings, len(self.group.names)
        ends = latents.flatten(0, 1)[torch.from_numpy(rng.integers(hands * latents.shape[1], size=(2, s.lines)))]
        start = torch.from_numpy(rng.uniform(0, 1 - 3 * JERK_STEP, (1, s.lines, 1)).astype(np.float32))
        share = start + JERK_STEP * torch.arange(4)[:, None, None]
        points = ((1 - share) * ends[0] + share * ends[1]).flatten(0, 1).expand(hands, -1, -1)
        tips = self.group.tips(self.space.decode(points)).unflatten(1, (4, s.lines))
        third = (tips[:, 3] - 3 * tips[:, 2] + 3 * tips[:, 1] - tips[:, 0]) / JERK_STEP**3
        mask = self.group.finger_mask[:, None, :, None]
        return (third.square() * mask).sum() / (3 * s.lines * mask.sum())

    def _errors(self, wanted: Tensor, found: Tensor) -> tuple[Tensor, Tensor]:
        """Robust distance and direction terms (..., F) of thumb vectors (..., F, 3), each with its weight."""
        s = self.settings
        distance, direction = losses.thumb_vector_errors(wanted, found)
        distance = s.distance * losses.pseudo_huber(distance, s.distance_scale)
        return distance, s.direction * losses.pseudo_huber(2 * direction, s.chord_scale) / 2

    def _noisy(self, latents: Tensor, rng: np.random.Generator) -> Tensor:
        noise = torch.from_numpy(rng.standard_normal(tuple(latents.shape), dtype=np.float32))
        return latents + self.settings.latent_noise * noise

    def _reach(self, wanted: Tensor, found: Tensor, common: Tensor) -> Tensor:
        """(...) of 0 .. 1: how nearly fingertips (..., 5, 3) do what was wanted; without gradient."""
        s = self.settings
        with torch.no_grad():
            distance, direction = losses.thumb_vector_errors(thumb_vectors(wanted), thumb_vectors(found))
            error = distance / s.reach_distance**2 + 2 * direction / s.reach_chord**2
            return torch.exp(-(error * common).sum(-1) / common.sum(-1) / 2)

    def _common(self, decoded: Decoded) -> Tensor:
        """(H, S, 1, 4) of 0 and 1: fingers besides the thumb that both target and source have."""
        mask = self.group.finger_mask[:, 1:]
        return (mask[:, None] & mask[decoded.sources])[:, :, None].float()

    def _share(self, decoded: Decoded) -> Tensor:
        """(H, S, 1, 1): what a pair counts; less where one of the two is a gripper."""
        gripper = torch.tensor([kind == "gripper" for kind in self.group.kinds])
        mixed = gripper[:, None] | gripper[decoded.sources]
        return torch.where(mixed, self.settings.gripper_share, self.settings.direct)[..., None, None]

    def _unit_error(self, joints: Tensor, wanted: Tensor) -> Tensor:
        """Mean squared error (H, ...) over joints (H, ..., J), in units of half the range of each."""
        shape = (len(joints), *[1] * (joints.dim() - 2), -1)
        mask = self.group.joint_mask.view(shape)
        error = ((joints - wanted) / self.group.half_range.view(shape)).square() * mask
        return error.sum(-1) / mask.sum(-1)
