"""How far latents of a new hand are from what the decoders of a space accept, with a gradient."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from latent_codec.codec import Codec
from latent_codec.density import FLOOR_WIDTH, WIDTHS, Density

MARGIN = 10.0  # above the threshold; latents of the hands that a space was trained with are some 30 above it


class Score(nn.Module):
    """`Density.score` in torch, for latents (M, N) within its limits."""

    means: Tensor
    whiten: Tensor
    volume: Tensor

    def __init__(self, density: Density) -> None:
        super().__init__()
        weights, means, covariances = (
            torch.from_numpy(array).double() for array in (density.weights, density.means, density.covariances)
        )
        mean = weights @ means
        away = means - mean
        spread = torch.einsum("k,kij->ij", weights, covariances) + (weights[:, None] * away).T @ away
        factors = torch.linalg.cholesky(torch.cat([covariances, spread[None]]))
        volume = -factors.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        volume[:-1] += weights.log()
        self.register_buffer("means", torch.cat([means, mean[None]]).float(), persistent=False)
        self.register_buffer("whiten", torch.linalg.inv(factors).mT.float(), persistent=False)
        self.register_buffer("volume", volume.float(), persistent=False)

    def forward(self, latents: Tensor) -> Tensor:
        """Scores (M,)."""
        size = latents.shape[-1]
        squares = torch.einsum("kmi,kij->kmj", latents - self.means[:, None], self.whiten).square().sum(-1)
        inside = (self.volume[:-1, None] - squares[:-1] / 2).logsumexp(0)
        widths = torch.as_tensor(WIDTHS, dtype=latents.dtype, device=latents.device)[:, None]
        outside = self.volume[-1] - size * widths.log() - squares[-1] / (2 * widths**2)
        floor = self.volume[-1] - size * float(np.log(WIDTHS[-1]) + FLOOR_WIDTH**2 / (2 * WIDTHS[-1] ** 2))
        return inside - torch.maximum(outside.amax(0), floor)


class Admissible(nn.Module):
    """What latents lack of being accepted with a margin by all decoders of a space."""

    def __init__(self, codec: Codec) -> None:
        super().__init__()
        # decoders that share a density share its threshold, too
        densities = {id(codec.density(hand)): (codec.density(hand), codec.threshold(hand)) for hand in codec.hands}
        self.scores = nn.ModuleList(Score(density) for density, _ in densities.values())
        self.thresholds = [threshold for _, threshold in densities.values()]

    def forward(self, latents: Tensor) -> Tensor:
        """Mean over latents (M, N) of the score that is missing, of the decoders that accept least."""
        missing = [
            (threshold + MARGIN - score(latents)).clamp(min=0)
            for score, threshold in zip(self.scores, self.thresholds, strict=True)
        ]
        return torch.stack(missing).amax(0).mean()
