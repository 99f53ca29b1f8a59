"""Settings and loss terms that the recipe `crosshand` and adding a hand to its space share.

The terms compare poses with what other hands made of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from latent_codec.training import losses
from latent_codec.training.config import Strict
from latent_codec.training.group import HandGroup, thumb_vectors
from latent_codec.training.grouped_mlp import Layout
from latent_codec.training.model import Space


class Settings(Strict):
    """Sizes and weights of the recipe; distances in m."""

    encoder: Layout = Layout(widths=(128, 128, 128), skip=True)
    decoder: Layout = Layout(widths=(192, 192, 192), skip=True)
    batch: int = Field(default=160, ge=5)
    sources: int = Field(
        default=4, ge=1, description="hands whose latents each decoder gets in a step, its own among them"
    )
    pool: int = Field(default=65536, ge=64)
    pinch_keep: float = Field(default=0.01, gt=0, le=1)
    pinch_noise: float = Field(default=0.05, ge=0)
    near_noise: float = Field(default=0.1, ge=0)
    latent_noise: float = Field(default=0.05, ge=0)
    reconstruction: float = 30.0
    statistics: float = 0.1
    # thumb vectors: what each pair of hands counts for, of what their latents decode to
    distance: float = 6000.0
    direction: float = 15.0
    decay: float = 12.0
    distance_scale: float = Field(default=0.002, gt=0)
    chord_scale: float = Field(default=0.05, gt=0)
    direct: float = 0.3
    gripper_share: float = Field(default=0.3, ge=0)
    cycle: float = 0.05
    reach_distance: float = Field(default=0.004, gt=0)
    reach_chord: float = Field(default=0.07, gt=0)
    matched: int = Field(
        default=8192, ge=0, description="poses of each hand that are matched on all others by optimisation"
    )
    matched_batch: int = Field(default=128, ge=2)
    distill: float = 2.0
    align: float = 0.05
    moments: float = 2.0
    contrast: float = 0.03
    temperature: float = Field(default=0.05, gt=0)
    smoothness: float = 0.005
    lines: int = Field(
        default=32, ge=1, description="pairs of latents on the line between which decoding is to be smooth"
    )
    anchors: int = Field(default=32, ge=4)
    anchor_latent: float = 40.0
    anchor_joints: float = 120.0


JERK_STEP = 1 / 16  # of a line between two latents


@dataclass(frozen=True, eq=False)
class Pairs:
    """Fingertips `wanted` (..., B, 5, 3) and found, `tips`, in m; `share` (..., 1) is what a pair of hands counts.

    `common` (..., 1, 4) is 1 for fingers besides the thumb that both hands have, else 0.
    """

    wanted: Tensor
    tips: Tensor
    common: Tensor
    share: Tensor


def vector_errors(wanted: Tensor, found: Tensor, s: Settings) -> tuple[Tensor, Tensor]:
    """Robust distance and direction terms (..., F) of thumb vectors (..., F, 3), each with its weight."""
    distance, direction = losses.thumb_vector_errors(wanted, found)
    distance = s.distance * losses.pseudo_huber(distance, s.distance_scale)
    return distance, s.direction * losses.pseudo_huber(2 * direction, s.chord_scale) / 2


def vector_terms(pairs: Pairs, s: Settings) -> dict[str, Tensor]:
    """Mismatch of thumb vectors, weighted by nearness to the thumb."""
    wanted = thumb_vectors(pairs.wanted)
    distance, direction = vector_errors(wanted, thumb_vectors(pairs.tips), s)
    weight = losses.nearness(wanted, s.decay) * pairs.common * pairs.share[..., None]
    return {"distance": (weight * distance).sum(-1).mean(), "direction": (weight * direction).sum(-1).mean()}


def within_reach(pairs: Pairs, s: Settings) -> Tensor:
    """(..., B) of 0 .. 1: how nearly the fingertips do what was wanted; without gradient."""
    with torch.no_grad():
        distance, direction = losses.thumb_vector_errors(thumb_vectors(pairs.wanted), thumb_vectors(pairs.tips))
        error = distance / s.reach_distance**2 + 2 * direction / s.reach_chord**2
        return torch.exp(-(error * pairs.common).sum(-1) / pairs.common.sum(-1) / 2)


def latent_error(found: Tensor, latents: Tensor, reach: Tensor) -> Tensor:
    """Mean squared difference of latents (..., B, N), weighted by `reach` (..., B)."""
    return (reach * (found - latents).square().mean(-1)).sum() / reach.sum().clamp(min=1)


def matched_terms(source: Tensor, latents: Tensor, decoded: Tensor, best: Pairs, s: Settings) -> dict[str, Tensor]:
    """Terms of poses that hands match as well as they can.

    `source` (K, N): latents of the poses; `latents` (H, K, N): of each hand's best for them; `decoded` (H, K, 5, 3):
    fingertips in m of what each hand makes of `source`. It ought to be the best, which can always be met.
    """
    wanted = thumb_vectors(best.tips)
    distance, direction = vector_errors(wanted, thumb_vectors(decoded), s)
    weight = losses.nearness(thumb_vectors(best.wanted), s.decay) * best.common
    return {
        "align": s.align * latent_error(latents, source, within_reach(best, s)),
        "contrast": s.contrast * losses.contrast(latents, source, s.temperature),
        "distill": s.distill * (weight * (distance + direction)).sum(-1).mean(),
    }


def noisy(latents: Tensor, scale: Tensor | float, rng: np.random.Generator) -> Tensor:
    """Latents with normal noise of `scale` standard deviation."""
    values = rng.standard_normal(tuple(latents.shape), dtype=np.float32)
    return latents + scale * torch.from_numpy(values).to(latents.device)


def unit_error(group: HandGroup, joints: Tensor, wanted: Tensor) -> Tensor:
    """Mean squared error (H, ...) over joints (H, ..., J), in units of half the range of each."""
    shape = (len(joints), *[1] * (joints.dim() - 2), -1)
    mask = group.joint_mask.view(shape)
    error = ((joints - wanted) / group.half_range.view(shape)).square() * mask
    return error.sum(-1) / mask.sum(-1)


def squared_jerk(space: Space, latents: Tensor, lines: int, rng: np.random.Generator) -> Tensor:
    """Mean square of the fingertips' third derivative (m) along short pieces of straight lines between latents.

    `latents` (M, N); the lines have length 1.
    """
    hands = len(space.group.names)
    ends = latents[torch.from_numpy(rng.integers(len(latents), size=(2, lines)))]
    start = torch.from_numpy(rng.uniform(0, 1 - 3 * JERK_STEP, (1, lines, 1)).astype(np.float32))
    place = (start + JERK_STEP * torch.arange(4)[:, None, None]).to(latents.device)
    points = ((1 - place) * ends[0] + place * ends[1]).flatten(0, 1).expand(hands, -1, -1)
    tips = space.group.tips(space.decode(points)).unflatten(1, (4, lines))
    third = (tips[:, 3] - 3 * tips[:, 2] + 3 * tips[:, 1] - tips[:, 0]) / JERK_STEP**3
    mask = space.group.finger_mask[:, None, :, None]
    return (third.square() * mask).sum() / (3 * lines * mask.sum())
