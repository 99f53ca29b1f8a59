"""The terms that make latents of different hands mean the same. All take tensors in SI units and return scalars."""

from __future__ import annotations

import torch
from torch import Tensor


def pseudo_huber(squared: Tensor, scale: float) -> Tensor:
    """Squared errors, from `scale` on growing linearly, so that pairs no hand can match do not rule the gradient."""
    return 2 * scale**2 * (torch.sqrt(1 + squared / scale**2) - 1)


def thumb_vector_terms(source: Tensor, target: Tensor, decay: float, distance_scale: float, chord_scale: float):
    """Mismatch of thumb-to-finger vectors (..., F, 3) in m: (distance term in m^2, direction term in 1 - cos).

    Weighted by exp(-decay * source distance): what happens close to the thumb is what grasps.
    """
    source_distance = torch.linalg.vector_norm(source, dim=-1)
    # the small constant keeps the gradient finite where two fingertips meet
    target_distance = torch.sqrt(target.square().sum(-1) + 1e-8)
    weight = torch.exp(-decay * source_distance)
    distance = pseudo_huber((target_distance - source_distance).square(), distance_scale)
    cosine = (source * target).sum(-1) / ((source_distance + 1e-4) * target_distance)
    direction = pseudo_huber(2 * (1 - cosine), chord_scale) / 2
    return (weight * distance).sum(-1).mean(), (weight * direction).sum(-1).mean()


def unit_statistics(latent: Tensor) -> Tensor:
    """Distance of the mean and the variance of each dimension of latents (B, N) from 0 and 1."""
    return latent.mean(0).square().mean() + (latent.var(0) - 1).square().mean()


def spread(latents: Tensor) -> Tensor:
    """Squared distance of latents (S, K, N), which S hands give to the same K poses, from their mean over hands."""
    return (latents - latents.mean(0, keepdim=True)).square().mean()
