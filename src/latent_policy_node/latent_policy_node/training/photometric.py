"""Image scaling and random changes of light and colour, on tensors."""

from __future__ import annotations

import torch
from torch import Tensor

from latent_policy_node.training.config import AugmentConfig


def scale_image(image: Tensor) -> Tensor:
    """uint8 (B, h, w, 3) to float (B, 3, h, w) in [-1, 1]; the first operation of the exported graph."""
    return image.permute(0, 3, 1, 2).float() / 127.5 - 1.0


class Relight:
    """Random contrast, brightness, colour balance and pixel noise.

    Pixel noise is cut at a random place from one long strip made beforehand: drawing it anew took a sixth of the
    training time.
    """

    def __init__(self, augment: AugmentConfig, pixels: int, generator: torch.Generator) -> None:
        self.augment, self.generator = augment, generator
        self._strip = torch.randn(2 * pixels, generator=generator) if augment.noise else torch.zeros(0)

    def __call__(self, image: Tensor) -> Tensor:
        """Images uint8 (B, h, w, 3) to changed float ones (B, 3, h, w) in [-1, 1]."""
        augment, batch = self.augment, image.shape[0]
        gain = (1 + self._uniform(batch, 1, augment.contrast)) * (1 + self._uniform(batch, 3, augment.colour))
        offset = 2 * self._uniform(batch, 1, augment.brightness) + self._uniform(batch, 3, augment.colour)
        pixels = torch.addcmul(offset - gain, image.float(), gain / 127.5)
        if augment.noise:
            pixels += self._noise(pixels.numel()).view_as(pixels) * (augment.noise * self._uniform(batch, 1, 2.0).abs())
        return pixels.clamp_(-1, 1).permute(0, 3, 1, 2).contiguous()

    def _uniform(self, batch: int, channels: int, most: float) -> Tensor:
        return most * (2 * torch.rand(batch, 1, 1, channels, generator=self.generator) - 1)

    def _noise(self, count: int) -> Tensor:
        start = int(torch.randint(len(self._strip) - count + 1, (1,), generator=self.generator))
        return self._strip[start : start + count]
