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


RECTANGLES, WIDTH, HEIGHT = 2, (0.04, 0.2), (0.06, 0.3)  # how many hide parts of an image; sizes in parts of it


class Relight:
    """Random contrast, brightness, colour balance and pixel noise, and rectangles that hide parts of an image.

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
        if augment.hidden:
            pixels = self._hide(pixels)
        return pixels.clamp_(-1, 1).permute(0, 3, 1, 2).contiguous()

    def _hide(self, pixels: Tensor) -> Tensor:
        """Cover parts (B, h, w, 3) by rectangles of one colour, as something between the camera and a hand does."""
        size = self.shape[1:3]
        y, x = ((torch.arange(count, device=self.device) + 0.5) / count for count in size)
        for _ in range(RECTANGLES):
            drawn = torch.rand(self.shape[0], 8, generator=self.generator)[self.rows].to(self.device)
            centre, half = drawn[:, :2], drawn[:, 2:4]
            covered = [
                ((place - centre[:, axis, None]).abs() < (low + (high - low) * half[:, axis, None]) / 2)
                for axis, (place, (low, high)) in enumerate(((x, WIDTH), (y, HEIGHT)))
            ]
            mask = covered[1][:, :, None] & covered[0][:, None, :] & (drawn[:, 7] < self.augment.hidden)[:, None, None]
            pixels = torch.where(mask[..., None], 2 * drawn[:, None, None, 4:7] - 1, pixels)
        return pixels

    def _uniform(self, channels: int, most: float) -> Tensor:
        drawn = torch.rand(self.shape[0], 1, 1, channels, generator=self.generator)[self.rows]
        return most * (2 * drawn.to(self.device) - 1)

    def _noise(self) -> Tensor:
        count = math.prod(self.shape)
        start = int(torch.randint(len(self._strip) - count + 1, (1,), generator=self.generator))
        return self._strip[start : start + count].view(self.shape)[self.rows]
