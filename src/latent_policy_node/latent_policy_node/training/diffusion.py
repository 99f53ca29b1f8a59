"""The noise schedule and the deterministic sampler.

Squared-cosine schedule (arXiv 2102.09672), the network predicts the clean sample, sampling is DDIM with eta 0
(arXiv 2010.02502): a fixed number of steps and no randomness but the first noise.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor


def squared_cosine(steps: int, offset: float = 0.008, ceiling: float = 0.999) -> Tensor:
    """Cumulative signal power of each diffusion step, (steps,), falling from near 1 to near 0."""
    level = [math.cos((i / steps + offset) / (1 + offset) * math.pi / 2) ** 2 for i in range(steps + 1)]
    betas = [min(1 - level[i + 1] / level[i], ceiling) for i in range(steps)]
    return torch.cumprod(1 - torch.tensor(betas, dtype=torch.float64), dim=0).float()


def add_noise(clean: Tensor, noise: Tensor, steps: Tensor, power: Tensor) -> Tensor:
    """Clean samples (B, ...) at diffusion steps (B,), mixed with noise of unit variance."""
    level = power[steps].reshape(-1, *([1] * (clean.dim() - 1)))
    return level.sqrt() * clean + (1 - level).sqrt() * noise


def inference_schedule(diffusion_steps: int, inference_steps: int) -> list[int]:
    """The diffusion steps that DDIM visits, from the noisiest (always the last one trained) downwards."""
    spacing = diffusion_steps / inference_steps
    return [round(diffusion_steps - 1 - i * spacing) for i in range(inference_steps)]


def ddim_coefficients(power: Tensor, schedule: list[int]) -> list[tuple[float, float]]:
    """For each step of the schedule (a, b) with next = a * predicted_clean + b * current; the last is (1, 0)."""
    levels = [float(power[step]) for step in schedule] + [1.0]
    coefficients = []
    for here, after in pairwise(levels):
        b = math.sqrt((1 - after) / (1 - here))
        coefficients.append((math.sqrt(after) - b * math.sqrt(here), b))
    return coefficients


def step_embedding(steps: Tensor, width: int) -> Tensor:
    """Sinusoidal embedding of diffusion steps (B,) -> (B, width)."""
    half = width // 2
    rates = torch.exp(torch.arange(half, device=steps.device) * (-math.log(10000.0) / (half - 1)))
    angles = steps.float()[:, None] * rates[None]
    return torch.cat([angles.sin(), angles.cos()], dim=-1)
