"""The policy network: observation in, chunk of normalised latent actions out."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from latent_policy_node.training.config import ModelConfig
from latent_policy_node.training.diffusion import ddim_coefficients, inference_schedule, squared_cosine, step_embedding
from latent_policy_node.training.encoder import ImageEncoder
from latent_policy_node.training.unet import UNet1d

STEP_WIDTH = 64
# How fast the present fades from a chunk: points this far ahead start at 1/e of it.
NEAR_POINTS = 4.0


class Observed(NamedTuple):
    """What the denoiser needs of an observation and of the action prefix.

    condition (B, c); state (B, dims); going (B, horizon, dims): the prefix, then its last point repeated, or the state
    where there is none; known (B, horizon, 1): 1 at the points of the prefix.
    """

    condition: Tensor
    state: Tensor
    going: Tensor
    known: Tensor

    def repeat(self, times: int) -> Observed:
        """The same observations `times` times over."""
        return Observed(*(part.repeat(times, *[1] * (part.dim() - 1)) for part in self))


class PolicyNetwork(nn.Module):
    """Predicts the clean chunk.

    It gets the action prefix, the next points of the chunk that the robots follow, and continues it (training-time
    action conditioning, arXiv 2512.05964). From one observation alone it is not known how long the robot has already
    waited: a policy without a prefix would repeat each short wait of a demonstration without end. With a prefix, the
    state of a hand is what was commanded, not what was measured: fingers that an object stops lag behind, each hand's
    by its own amount, and in what they report an unseen hand differs most.

    State and prefix have a short way to the output: each point of a chunk is a learned share of where the robot is
    going, plus what the network adds. Otherwise most of a short training goes into learning to copy it. State and
    chunk are therefore scaled alike.

    Shapes: image (B, 3, H, W) in [-1, 1]; state (B, dims), prefix (B, config.plan, dims) of which the first
    prefix_length (B,) points count, and chunks (B, horizon, dims), normalised; dims counts both sides, left first.
    """

    power: Tensor

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
        self.unet = UNet1d(3 * dims + 1, dims, config.unet_channels, condition, config.kernel)
        points = torch.tensor(self.points, dtype=torch.float32)
        self.near = nn.Parameter(torch.exp(-points / NEAR_POINTS)[:, None].repeat(1, dims))
        self.auxiliary = nn.Linear(condition, len(points) * dims)
        power = squared_cosine(config.diffusion_steps)
        self.register_buffer("power", power, persistent=False)
        schedule = inference_schedule(config.diffusion_steps, config.inference_steps)
        # Plain numbers, so that the exported graph holds constants.
        self.ddim = [(step, *pair) for step, pair in zip(schedule, ddim_coefficients(power, schedule), strict=True)]

    @property
    def points(self) -> list[int]:
        """Which frames ahead are predicted: the chunk, then those of the auxiliary task."""
        return [*range(1, self.config.horizon + 1), *self.config.far_points]

    def observe(self, image: Tensor, state: Tensor, prefix: Tensor, prefix_length: Tensor) -> Observed:
        """What an observation and an action prefix amount to, float32."""
        features = self.encoder(image)
        with torch.autocast(device_type=image.device.type, enabled=False):
            state = state.float()
            condition = self.fuse(torch.cat([features, self.state(state), state], dim=-1))
            return Observed(condition, state, *self._continued(state, prefix, prefix_length))

    def _continued(self, state: Tensor, prefix: Tensor, prefix_length: Tensor) -> tuple[Tensor, Tensor]:
        """`going` and `known` of Observed."""
        steps = torch.arange(self.config.horizon, device=state.device)
        path = torch.cat([state[:, None], prefix.float()], dim=1)
        last = torch.minimum(steps + 1, prefix_length[:, None])  # the prefix's point, or its last one; 0 is the state
        going = torch.gather(path, 1, last[..., None].expand(-1, -1, self.dims))
        return going, (steps < prefix_length[:, None])[..., None].to(state.dtype)

    def denoise(self, noisy: Tensor, steps: Tensor, seen: Observed) -> Tensor:
        """The clean chunk predicted from a noisy one at diffusion steps (B,)."""
        context = nn.functional.silu(seen.condition + self.step(step_embedding(steps, STEP_WIDTH)))
        here = seen.state[:, None].expand_as(noisy)
        given = torch.cat([noisy, here, seen.going, seen.known], dim=-1)
        added = self.unet(given.transpose(1, 2), context).transpose(1, 2)
        return added + self.near[: noisy.shape[1]] * seen.going

    def regress(self, seen: Observed) -> Tensor:
        """All points (B, len(points), dims) by plain regression.

        An auxiliary task: what happens later, beyond the chunk, teaches the encoder early where things are.
        """
        added = self.auxiliary(seen.condition).reshape(-1, len(self.near), self.dims)
        return added + self.near * seen.state[:, None]

    def sample(self, seen: Observed, noise: Tensor, bound: float = 1.5) -> Tensor:
        """Chunk (B, horizon, dims) by DDIM from `noise`; predictions are clipped to +-bound."""
        chunk = noise
        for step, a, b in self.ddim:
            steps = torch.full((1,), step, dtype=torch.long, device=noise.device)
            chunk = a * self.denoise(chunk, steps, seen).clamp(-bound, bound) + b * chunk
        return chunk
