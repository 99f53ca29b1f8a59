"""What decoders made of latents of other hands, and the loss terms of it that `crosshand` has."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from latent_codec.training import losses
from latent_codec.training.group import thumb_vectors
from latent_codec.training.recipes.crosshand import Settings


@dataclass(frozen=True, eq=False)
class Pairs:
    """What decoders made of latents: wanted, tips (H, B, 5, 3) m; common (H, 1, 4) 0 or 1; share (H, 1)."""

    wanted: Tensor
    tips: Tensor
    common: Tensor
    share: Tensor


def vector_terms(pairs: Pairs, s: Settings) -> dict[str, Tensor]:
    """Mismatch of thumb vectors, weighted by nearness to the thumb; grippers count less."""
    wanted = thumb_vectors(pairs.wanted)
    distance, direction = losses.thumb_vector_errors(wanted, thumb_vectors(pairs.tips))
    weight = losses.nearness(wanted, s.decay) * pairs.common * pairs.share[..., None]
    distance = weight * losses.pseudo_huber(distance, s.distance_scale)
    direction = weight * losses.pseudo_huber(2 * direction, s.chord_scale) / 2
    return {"distance": s.distance * distance.sum(-1).mean(), "direction": s.direction * direction.sum(-1).mean()}


def within_reach(pairs: Pairs, s: Settings) -> Tensor:
    """(H, B) of 0 .. 1: how nearly the decoded pose does what its latent stands for; without gradient."""
    with torch.no_grad():
        distance, direction = losses.thumb_vector_errors(thumb_vectors(pairs.wanted), thumb_vectors(pairs.tips))
        error = distance / s.reach_distance**2 + 2 * direction / s.reach_chord**2
        return torch.exp(-(error * pairs.common).sum(-1) / pairs.common.sum(-1) / 2)


def cycle_error(again: Tensor, latents: Tensor, reach: Tensor) -> Tensor:
    """Mean squared change of latents (H, B, N) by decoding and encoding, weighted by `reach` (H, B)."""
    return (reach * (again - latents).square().mean(-1)).sum() / reach.sum().clamp(min=1)
