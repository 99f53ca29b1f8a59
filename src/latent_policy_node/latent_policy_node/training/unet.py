"""The denoiser: a 1-D U-Net over the horizon, conditioned by FiLM.

Structure after Diffusion Policy (arXiv 2303.04137), made small for one CPU core: SiLU instead of Mish, which
onnxruntime runs as one fused operator, and two resolutions.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn


class FilmBlock(nn.Module):
    """Two convolutions; the condition scales and shifts the features between them. (B, c, H) -> (B, d, H)."""

    def __init__(self, inputs: int, outputs: int, condition: int, kernel: int) -> None:
        super().__init__()
        self.first = nn.Conv1d(inputs, outputs, kernel, padding=kernel // 2)
        self.second = nn.Conv1d(outputs, outputs, kernel, padding=kernel // 2)
        self.norms = nn.ModuleList([nn.GroupNorm(8, outputs), nn.GroupNorm(8, outputs)])
        self.film = nn.Linear(condition, 2 * outputs)
        self.skip = nn.Conv1d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """(B, inputs, H) and condition (B, c) to (B, outputs, H)."""
        scale, shift = self.film(condition).unsqueeze(-1).chunk(2, dim=1)
        hidden = nn.functional.silu(self.norms[0](self.first(x)))
        hidden = hidden * (1 + scale) + shift
        hidden = nn.functional.silu(self.norms[1](self.second(hidden)))
        return hidden + self.skip(x)


class UNet1d(nn.Module):
    """(B, inputs, horizon), condition (B, c) -> (B, dims, horizon). Horizon divisible by 2 for each resolution."""

    def __init__(self, inputs: int, dims: int, channels: tuple[int, ...], condition: int, kernel: int) -> None:
        super().__init__()
        widths = (inputs, *channels)
        pairs = list(pairwise(widths))
        self.down = nn.ModuleList([FilmBlock(a, b, condition, kernel) for a, b in pairs])
        self.shrink = nn.ModuleList([nn.Conv1d(b, b, 3, stride=2, padding=1) for _, b in pairs])
        top = channels[-1]
        self.middle = FilmBlock(top, top, condition, kernel)
        self.grow = nn.ModuleList([nn.ConvTranspose1d(b, b, 4, stride=2, padding=1) for _, b in reversed(pairs)])
        self.up = nn.ModuleList(
            [FilmBlock(2 * b, a if a != inputs else b, condition, kernel) for a, b in reversed(pairs)]
        )
        self.output = nn.Conv1d(channels[0], dims, 1)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """(B, inputs, horizon) and condition (B, c) to (B, dims, horizon)."""
        skips = []
        for block, shrink in zip(self.down, self.shrink, strict=True):
            x = block(x, condition)
            skips.append(x)
            x = shrink(x)
        x = self.middle(x, condition)
        for grow, block in zip(self.grow, self.up, strict=True):
            x = block(torch.cat([grow(x), skips.pop()], dim=1), condition)
        with torch.autocast(device_type=x.device.type, enabled=False):
            return self.output(x.float())
