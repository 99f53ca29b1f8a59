"""XL-VLA as its paper describes it: uniform poses, latents drawn from a normal distribution, KL weight 1e-5."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from latent_codec.training.config import Strict
from latent_codec.training.recipes.xl_vla import XlVla, XlVlaSettings


class Settings(XlVlaSettings):
    """`kl`: weight of the divergence from a standard normal distribution, summed over dimensions."""

    kl: float = Field(1e-5, ge=0)


class XlVlaPaper(XlVla):
    """The encoders give mean and logarithm of the variance; at run time the latent is the mean."""

    Settings: ClassVar[type[Strict]] = Settings
    statistics = 2

    def latents(self, joints: Tensor, rng: np.random.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        """Latents (H, B, N) drawn for joints (H, B, J), and L3."""
        mean, log_variance = self.space.moments(joints).chunk(2, dim=-1)
        noise = torch.from_numpy(rng.standard_normal(tuple(mean.shape), dtype=np.float32)).to(mean.device)
        divergence = (mean.square() + log_variance.exp() - log_variance - 1).sum(-1).mean() / 2
        return mean + (log_variance / 2).exp() * noise, {"kl": self.settings.kl * divergence}
