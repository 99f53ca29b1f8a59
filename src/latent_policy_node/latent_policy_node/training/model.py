"""The policy network: observation in, chunk of normalised latent actions out."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .config import ModelConfig
from .diffusion import ddim_coefficients, inference_schedule, squared_cosine, step_embedding
from .encoder import ImageEncoder
from .unet import UNet1d

STEP_WIDTH = 64


class PolicyNetwork(nn.Module):
    """Predicts the clean chunk.

    Shapes: image (B, 3, H, W) in [-1, 1]; state (B, dims) and chunks (B, horizon, dims), normalised; dims counts
    both sides, left first.
    """

    def __init__(self, config: ModelConfig, dims: int, height: int, width: int) -> None:
        super().__init__()
        self.config, self.dims = config, dims
        condition, features = config.condition, config.encoder.features
        self.encoder = ImageEncoder(config.encoder, height, width)
        self.state = nn.Sequential(nn.Linear(dims, 128), nn.SiLU(), nn.Linear(128, 64), nn.SiLU())
        self.fuse = nn.Sequential(nn.Linear(features + 64, condition), nn.SiLU(), nn.Linear(condition, condition))
        self.step = nn.Sequential(nn.Linear(STEP_WIDTH, condition), nn.SiLU(), nn.Linear(condition, condition))
        self.unet = UNet1d(dims, config.unet_channels, condition, config.kernel)
        self.auxiliary = nn.Linear(condition, config.horizon * dims) if config.auxiliary else None
        power = squared_cosine(config.diffusion_steps)
        self.register_buffer("power", power, persistent=False)
        schedule = inference_schedule(config.diffusion_steps, config.inference_steps)
        # Plain numbers, so that the exported graph holds constants.
        self.plan = [(step, *pair) for step, pair in zip(schedule, ddim_coefficients(power, schedule), strict=True)]

    def observe(self, image: Tensor, state: Tensor) -> Tensor:
        """The condition (B, c) that an observation amounts to; float32."""
        features = self.encoder(image)
        with torch.autocast(device_type=image.device.type, enabled=False):
            return self.fuse(torch.cat([features, self.state(state.float())], dim=-1))

    def denoise(self, noisy: Tensor, steps: Tensor, condition: Tensor) -> Tensor:
        """The clean chunk predicted from a noisy one at diffusion steps (B,)."""
        context = nn.functional.silu(condition + self.step(step_embedding(steps, STEP_WIDTH)))
        return self.unet(noisy.transpose(1, 2), context).transpose(1, 2)

    def regress(self, condition: Tensor) -> Tensor:
        """The chunk by plain regression: an auxiliary task that teaches the encoder where things are."""
        return self.auxiliary(condition).reshape(-1, self.config.horizon, self.dims)

    def sample(self, image: Tensor, state: Tensor, noise: Tensor, bound: float = 1.5) -> Tensor:
        """Chunk (B, horizon, dims) by DDIM from `noise`; predictions are clipped to +-bound."""
        condition, chunk = self.observe(image, state), noise
        for step, a, b in self.plan:
            steps = torch.full((1,), step, dtype=torch.long, device=noise.device)
            chunk = a * self.denoise(chunk, steps, condition).clamp(-bound, bound) + b * chunk
        return chunk


def parameter_count(network: nn.Module) -> int:
    """Number of trained parameters."""
    return sum(parameter.numel() for parameter in network.parameters())
