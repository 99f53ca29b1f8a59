"""Image scaling and random changes of light and colour, on tensors."""

from __future__ import annotations

import math

import torch
from lightning_fabric import Fabric
from torch import Tensor

from latent_codec.training.devices import rows_of
from latent_policy_node.training.config import AugmentConfig


def scale_image(image: Tensor) -> Tensor:
    """uint8 (B, h, w, 3) to float (B, 3, h, w) in [-1, 1]; the first operation of the exported graph."""
    return image.permute(0, 3, 1, 2).float() / 127.5 - 1.0


class Relight:
    """Random contrast, brightness, colour balance and pixel noise.

    Pixel noise is cut at a random place from one long strip made beforehand: drawing it each time took a sixth of the
    training time.
    """

    def __init__(
        self, augment: AugmentConfig, shape: tuple[int, int, int], generator: torch.Generator, fabric: Fabric
    ) -> None:
        """Make the strip.

        Args:
            augment: Maxima of the changes.
            shape: Images of a whole batch, height, width.
            generator: Random numbers, the same in all processes.
            fabric: Device, and which rows of the batch this process has.
        """
        self.augment, self.generator, self.shape = augment, generator, (*shape, 3)
        self.rows, self.device = rows_of(fabric, shape[0]), fabric.device
        strip = torch.randn(2 * math.prod(self.shape), generator=generator) if augment.noise else torch.zeros(0)
        self._strip = strip.to(self.device)

    def __call__(self, image: Tensor) -> Tensor:
        """Images uint8 (B, h, w, 3) of this process to changed float ones (B, 3, h, w) in [-1, 1]."""
        augment = self.augment
        gain = (1 + self._uniform(1, augment.contrast)) * (1 + self._uniform(3, augment.colour))
        offset = 2 * self._uniform(1, augment.brightness) + self._uniform(3, augment.colour)
        pixels = torch.addcmul(offset - gain, image.float(), gain / 127.5)
        if augment.noise:
            pixels += self._noise() * (augment.noise * self._uniform(1, 2.0).abs())
        return pixels.clamp_(-1, 1).permute(0, 3, 1, 2).contiguous()

    def _uniform(self, channels: int, most: float) -> Tensor:
        drawn = torch.rand(self.shape[0], 1, 1, channels, generator=self.generator)[self.rows]
        return most * (2 * drawn.to(self.device) - 1)

    def _noise(self) -> Tensor:
        count = math.prod(self.shape)
        start = int(torch.randint(len(self._strip) - count + 1, (1,), generator=self.generator))
        return self._strip[start : start + count].view(self.shape)[self.rows]
