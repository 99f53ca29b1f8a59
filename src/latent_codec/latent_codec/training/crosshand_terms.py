"""Settings and loss terms that the recipe `crosshand` and adding a hand to its space share.

The terms compare poses with what other hands made of them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from latent_codec.training import losses
from latent_codec.training.across import Pairs
from latent_codec.training.config import Strict
from latent_codec.training.group import HandGroup, thumb_vectors
from latent_codec.training.grouped_mlp import Layout
from latent_codec.training.model import Space
from latent_codec.training.shape import Goals

SHARES = {
    "uniform": 0.24,
    "pinch": 0.16,
    "postures": 0.1,
    "one_share": 0.07,
    "own_shares": 0.07,
    "open_or_closed": 0.08,
    "human_open": 0.04,
    "human_free": 0.08,
    "human_power": 0.04,
    "human_pinch": 0.06,
    "grasps": 0.02,
    "paths": 0.04,
}


class Settings(Strict):
    """Sizes and weights of the recipe; distances in m."""

    encoder: Layout = Layout(widths=(128, 128, 128), skip=True)
    decoder: Layout = Layout(widths=(192, 192, 192), skip=True)
    batch: int = Field(default=160, ge=5)
    sources: int = Field(
        default=4, ge=1, description="hands whose latents each decoder gets in a step, its own among them"
    )
    pool: int = Field(default=16384, ge=64, description="postures of each family and hand to draw batches from")
    families: dict[str, Annotated[float, Field(ge=0)]] = Field(
        default=SHARES, description="share of each family of postures in a batch"
    )
    noise: float = Field(default=0.05, ge=0, description="of half a joint's range, of half the postures without noise")
    latent_noise: float = Field(default=0.05, ge=0)
    reconstruction: float = 30.0
    statistics: float = 0.1
    # thumb vectors: what each pair of hands counts for, of what their latents decode to
    distance: float = 6000.0
    direction: float = 15.0
    decay: float = 12.0
    distance_scale: float = Field(default=0.002, gt=0)
    chord_scale: float = Field(default=0.05, gt=0)
    # fingers in their own proportions, see `shape`
    shape: float = 30.0
    shape_scale: float = Field(default=0.05, gt=0)
    direct: float = 0.3
    gripper_share: float = Field(default=0.3, ge=0)
    cycle: float = 0.05
    reach_distance: float = Field(default=0.004, gt=0)
    reach_chord: float = Field(default=0.07, gt=0)
    reach_shape: float = Field(default=0.07, gt=0)
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
    driven: float = Field(default=0.005, ge=0, description="smoothness of hands that a closing gripper drives")
    driven_lines: int = Field(default=8, ge=1, description="of each gripper")
    anchors: int = Field(default=32, ge=4)
    anchor_latent: float = 40.0
    anchor_joints: float = 120.0


JERK_STEP = 1 / 16  # of a line between two latents, or of a gripper's way
FINE_STEP = 1 / 64  # a corner costs little, a jump as much as ever


def vector_errors(wanted: Tensor, found: Tensor, s: Settings) -> tuple[Tensor, Tensor]:
    """Robust distance and direction terms (..., F) of thumb vectors (..., F, 3), each with its weight."""
    distance, direction = losses.thumb_vector_errors(wanted, found)
    distance = s.distance * losses.pseudo_huber(distance, s.distance_scale)
    return distance, s.direction * losses.pseudo_huber(2 * direction, s.chord_scale) / 2


def vector_terms(pairs: Pairs, s: Settings) -> dict[str, Tensor]:
    """Mismatch of thumb vectors, weighted by nearness to the thumb, and of what counts in own proportions instead."""
    wanted = thumb_vectors(pairs.wanted)
    distance, direction = vector_errors(wanted, thumb_vectors(pairs.tips), s)
    share, shape = pairs.common * pairs.share[..., None], pairs.goals.weight
    weight = losses.nearness(wanted, s.decay) * share * (1 - shape)
    return {
        "distance": (weight * distance).sum(-1).mean(),
        "direction": (weight * direction).sum(-1).mean(),
        "shape": (share * shape * shape_errors(pairs.goals, pairs.tips, s)).sum(-1).mean(),
    }


def shape_errors(goals: Goals, tips: Tensor, s: Settings) -> Tensor:
    """Robust terms (..., 4) of fingertips (..., 5, 3) that are away from where the hand's own proportions want them."""
    return s.shape * losses.pseudo_huber(goals.errors(tips), s.shape_scale)


def within_reach(pairs: Pairs, s: Settings) -> Tensor:
    """(..., B) of 0 .. 1: how nearly the fingertips do what was wanted; without gradient."""
    with torch.no_grad():
        distance, direction = losses.thumb_vector_errors(thumb_vectors(pairs.wanted), thumb_vectors(pairs.tips))
        shape, held = pairs.goals.weight, pairs.goals.errors(pairs.tips) / s.reach_shape**2
        error = (1 - shape) * (distance / s.reach_distance**2 + 2 * direction / s.reach_chord**2) + shape * held
        return torch.exp(-(error * pairs.common).sum(-1) / pairs.common.sum(-1) / 2)


def latent_error(found: Tensor, latents: Tensor, reach: Tensor) -> Tensor:
    """Mean squared difference of latents (..., B, N), weighted by `reach` (..., B)."""
    return (reach * (found - latents).square().mean(-1)).sum() / reach.sum().clamp(min=1)


def matched_terms(source: Tensor, latents: Tensor, decoded: Tensor, best: Pairs, s: Settings) -> dict[str, Tensor]:
    """Terms of poses that hands match as well as they can.

    `source` (K, N): latents of the poses; `latents` (H, K, N): of each hand's best for them; `decoded` (H, K, 5, 3):
    fingertips in m of what each hand makes of `source`. It ought to be the best, which can always be met.
    """
    return {
        "align": s.align * latent_error(latents, source, within_reach(best, s)),
        "contrast": s.contrast * losses.contrast(latents, source, s.temperature),
        "distill": s.distill * best_error(decoded, best, s),
    }


def best_error(decoded: Tensor, best: Pairs, s: Settings) -> Tensor:
    """How far fingertips (H, K, 5, 3) in m are from the best that hands can do."""
    distance, direction = vector_errors(thumb_vectors(best.tips), thumb_vectors(decoded), s)
    shape = best.goals.weight
    weight = losses.nearness(thumb_vectors(best.wanted), s.decay) * best.common * (1 - shape)
    held = shape_errors(replace(best.goals, tips=best.tips[..., 1:, :]), decoded, s)
    return (weight * (distance + direction) + best.common * shape * held).sum(-1).mean()


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


def tips_away(group: HandGroup, found: Tensor, wanted: Tensor, scale_mm: float) -> Tensor:
    """Mean over postures of the summed distances, mm, of fingertips (H, B, 5, 3) in m; below `scale_mm` less counts."""
    squared = (1e3 * (found - wanted)).square().sum(-1)
    away = losses.pseudo_huber(squared, scale_mm) / (2 * scale_mm)
    return (away * group.finger_mask[:, None]).sum(-1).mean()


def squared_jerk(space: Space, latents: Tensor, lines: int, rng: np.random.Generator) -> Tensor:
    """Mean square of the fingertips' third derivative (m) along short pieces of straight lines between latents.

    `latents` (M, N); the lines have length 1.
    """
    ends = latents[torch.from_numpy(rng.integers(len(latents), size=(2, lines)))]
    place = _pieces(lines, JERK_STEP, rng).to(latents.device)
    return _third_derivative(space, (1 - place) * ends[0] + place * ends[1], JERK_STEP)


def driven_jerk(
    space: Space, grippers: Tensor, lines: int, rng: np.random.Generator, step: float = JERK_STEP
) -> Tensor:
    """The same along what grippers encode to while they close: a gripper drives every hand smoothly.

    `grippers` are their rows (G,); `lines` pieces of each, of three times `step`. The whole way of a gripper has
    length 1.
    """
    group, place = space.group, _pieces(len(grippers) * lines, step, rng)
    unit = (2 * place - 1).to(group.device)  # a gripper's joints move together
    spread = unit[..., 0].unflatten(1, (len(grippers), lines)).transpose(0, 1).flatten(1, 2)
    joints = group.middle.repeat(1, spread.shape[1], 1)
    joints[grippers] += spread[..., None] * group.half_range[grippers] * group.joint_mask[grippers][:, None]
    points = space.encode(joints)[grippers].unflatten(1, (4, lines))
    return _third_derivative(space, points.transpose(0, 1).flatten(1, 2), step)


def _pieces(lines: int, step: float, rng: np.random.Generator) -> Tensor:
    """Four places (4, lines, 1), `step` apart, on a line from 0 to 1."""
    start = torch.from_numpy(rng.uniform(0, 1 - 3 * step, (1, lines, 1)).astype(np.float32))
    return start + step * torch.arange(4)[:, None, None]


def _third_derivative(space: Space, points: Tensor, step: float) -> Tensor:
    """Mean square over hands of the fingertips' third derivative at latents (4, L, N) of L pieces."""
    lines, hands = points.shape[1], len(space.group.names)
    tips = space.group.tips(space.decode(points.flatten(0, 1).expand(hands, -1, -1))).unflatten(1, (4, lines))
    third = (tips[:, 3] - 3 * tips[:, 2] + 3 * tips[:, 1] - tips[:, 0]) / step**3
    mask = space.group.finger_mask[:, None, :, None]
    return (third.square() * mask).sum() / (3 * lines * mask.sum())
