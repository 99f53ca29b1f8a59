"""The policy network: observation in, chunk of normalised latent actions out."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from .config import ModelConfig
from .diffusion import ddim_coefficients, inference_schedule, squared_cosine, step_embedding
from .encoder import ImageEncoder
from .unet import UNet1d

STEP_WIDTH = 64
# How fast the present fades from a chunk: points this far ahead start at 1/e of it.
NEAR_POINTS = 4.0


class Observed(NamedTuple):
    """What the denoiser needs of an observation: condition (B, c), and the state (B, dims) itself."""

    condition: Tensor
    state: Tensor

    def repeat(self, times: int) -> Observed:
        """The same observations `times` times over."""
        return Observed(self.condition.repeat(times, 1), self.state.repeat(times, 1))


class PolicyNetwork(nn.Module):
    """Predicts the clean chunk.

    The state has a short way to the output: each point of a chunk is a learned share of where the robot is now, plus
    what the network adds. Otherwise most of a short training goes into learning to copy it. State and chunk are
    therefore scaled alike.

    Shapes: image (B, 3, H, W) in [-1, 1]; state (B, dims) and chunks (B, horizon, dims), normalised; dims counts
    both sides, left first.
    """

    def __init__(self, config: ModelConfig, dims: int, height: int, width: int) -> None:
        super().__init__()
        self.config, self.dims = config, dims
        condition, features = config.condition, config.encoder.features
        self.encoder = ImageEncoder(config.encoder, height, width)
        self.state = nn.Sequential(nn.Linear(dims, 128), nn.SiLU(), nn.Linear(128, 64), nn.SiLU())
        self.fuse = nn.Sequential(
            nn.Linear(features + 64 + dims, condition), nn.SiLU(), nn.Linear(condition, condition)
        )
        self.step = nn.Sequential(nn.Linear(STEP_WIDTH, condition), nn.SiLU(), nn.Linear(condition, condition))
        self.unet = UNet1d(2 * dims, dims, config.unet_channels, condition, config.kernel)
        points = torch.tensor(self.points, dtype=torch.float32)
        self.near = nn.Parameter(torch.exp(-points / NEAR_POINTS)[:, None].repeat(1, dims))
        self.auxiliary = nn.Linear(condition, len(points) * dims)
        power = squared_cosine(config.diffusion_steps)
        self.register_buffer("power", power, persistent=False)
        schedule = inference_schedule(config.diffusion_steps, config.inference_steps)
        # Plain numbers, so that the exported graph holds constants.
        self.plan = [(step, *pair) for step, pair in zip(schedule, ddim_coefficients(power, schedule), strict=True)]

    @property
    def points(self) -> list[int]:
        """Which frames ahead are predicted: the chunk, then those of the auxiliary task."""
        return [*range(1, self.config.horizon + 1), *self.config.far_points]

    def observe(self, image: Tensor, state: Tensor) -> Observed:
        """What an observation amounts to, float32."""
        features = self.encoder(image)
        with torch.autocast(device_type=image.device.type, enabled=False):
            state = state.float()
            return Observed(self.fuse(torch.cat([features, self.state(state), state], dim=-1)), state)

    def denoise(self, noisy: Tensor, steps: Tensor, seen: Observed) -> Tensor:
        """The clean chunk predicted from a noisy one at diffusion steps (B,)."""
        context = nn.functional.silu(seen.condition + self.step(step_embedding(steps, STEP_WIDTH)))
        here = seen.state[:, None].expand_as(noisy)
        added = self.unet(torch.cat([noisy, here], dim=-1).transpose(1, 2), context).transpose(1, 2)
        return added + self.near[: noisy.shape[1]] * here

    def regress(self, seen: Observed) -> Tensor:
        """All points (B, len(points), dims) by plain regression.

        An auxiliary task: what happens later, beyond the chunk, teaches the encoder early where things are.
        """
        added = self.auxiliary(seen.condition).reshape(-1, len(self.near), self.dims)
        return added + self.near * seen.state[:, None]

    def sample(self, image: Tensor, state: Tensor, noise: Tensor, bound: float = 1.5) -> Tensor:
        """Chunk (B, horizon, dims) by DDIM from `noise`; predictions are clipped to +-bound."""
        seen, chunk = self.observe(image, state), noise
        for step, a, b in self.plan:
            steps = torch.full((1,), step, dtype=torch.long, device=noise.device)
            chunk = a * self.denoise(chunk, steps, seen).clamp(-bound, bound) + b * chunk
        return chunk


def parameter_count(network: nn.Module) -> int:
    """Number of trained parameters."""
    return sum(parameter.numel() for parameter in network.parameters())
