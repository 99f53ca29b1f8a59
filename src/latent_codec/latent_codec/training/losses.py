"""The terms that make latents of different hands mean the same. All take tensors in SI units."""

from __future__ import annotations

import torch
from torch import Tensor


def pseudo_huber(squared: Tensor, scale: float) -> Tensor:
    """Squared errors, from `scale` on growing linearly, so that pairs no hand can match do not rule the gradient."""
    return 2 * scale**2 * (torch.sqrt(1 + squared / scale**2) - 1)


def thumb_vector_errors(source: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Mismatch (..., F) of thumb-to-finger vectors (..., F, 3) in m: squared distance error in m^2, and 1 - cos."""
    source_distance = torch.linalg.vector_norm(source, dim=-1)
    # the small constant keeps the gradient finite where two fingertips meet
    target_distance = torch.sqrt(target.square().sum(-1) + 1e-8)
    cosine = (source * target).sum(-1) / ((source_distance + 1e-4) * target_distance)
    return (target_distance - source_distance).square(), 1 - cosine


def nearness(vectors: Tensor, decay: float) -> Tensor:
    """Weights exp(-decay * distance) of thumb-to-finger vectors (..., F, 3) in m: what is near the thumb grasps."""
    return torch.exp(-decay * torch.linalg.vector_norm(vectors, dim=-1))


def unit_statistics(latent: Tensor) -> Tensor:
    """Distance of mean and variance of each dimension of latents (H, M, N) from 0 and 1, of each hand separately."""
    return latent.mean(1).square().mean() + (latent.var(1) - 1).square().mean()


def moment_gap(latents: Tensor) -> Tensor:
    """How far apart the first two moments of latents (H, M, N) of H hands are, by which hands could be told apart."""
    mean = latents.mean(1, keepdim=True)
    centred = latents - mean
    covariance = centred.transpose(1, 2) @ centred / latents.shape[1]
    dimensions = latents.shape[2]
    first = (mean - mean.mean(0)).square().mean() * len(latents)
    second = (covariance - covariance.mean(0)).square().sum((1, 2)).mean() / dimensions
    return first + second


def contrast(latents: Tensor, source: Tensor, temperature: float) -> Tensor:
    """InfoNCE by distance: of latents `source` (..., K, N), the nearest to row k of `latents` (..., K, N) is row k.

    `temperature` is in units of the mean squared distance per dimension (after LAD, arXiv 2506.14608, stage 1).
    """
    size, dimensions = source.shape[-2:]
    products = latents @ source.transpose(-1, -2)
    squared = latents.square().sum(-1)[..., None] + source.square().sum(-1)[..., None, :] - 2 * products
    logits = (-squared / (dimensions * temperature)).flatten(0, -2)
    wanted = torch.arange(size, device=logits.device).repeat(len(logits) // size)
    return torch.nn.functional.cross_entropy(logits, wanted)
