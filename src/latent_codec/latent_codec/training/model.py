"""The networks of one hand: small MLPs with a linear skip, cheap enough to decode a chunk in well under 1 ms."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from embodiments.registry import Embodiment
from latent_codec.training.hands import HandFrames, thumb_vectors

TIP_SCALE = 10.0  # fingertips lie within about 0.1 m of the grasp frame
OVERSHOOT = 1.05  # lets tanh reach the limits at a finite input; the runtime clamps what exceeds them


class SkipMLP(nn.Module):
    """Linear-LayerNorm-GELU blocks and a linear layer, plus a linear map from input to output."""

    def __init__(self, inputs: int, outputs: int, widths: Sequence[int]) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        size = inputs
        for width in widths:
            layers += [nn.Linear(size, width), nn.LayerNorm(width), nn.GELU()]
            size = width
        self.blocks = nn.Sequential(*layers, nn.Linear(size, outputs))
        self.skip = nn.Linear(inputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs) to (B, outputs)."""
        return self.blocks(x) + self.skip(x)


class Encoder(nn.Module):
    """Joints (B, n) in rad to latents (B, N); also sees the fingertips that the joints imply."""

    def __init__(self, frames: HandFrames, latent_dim: int, widths: Sequence[int]) -> None:
        super().__init__()
        self.frames = frames
        fingers = len(frames.fingers)
        self.mlp = SkipMLP(frames.joint_count + 3 * fingers + 3 * (fingers - 1), latent_dim, widths)

    def forward(self, joints: Tensor) -> Tensor:
        """(B, n) to (B, N)."""
        return self.from_tips(joints, self.frames.tips(joints))

    def from_tips(self, joints: Tensor, tips: Tensor) -> Tensor:
        """The same when the fingertips (B, F, 3) in the grasp frame are known already."""
        tip_features = torch.cat([tips, thumb_vectors(tips)], dim=1).flatten(1) * TIP_SCALE
        return self.mlp(torch.cat([self.frames.normalise(joints), tip_features], dim=1))


class Decoder(nn.Module):
    """Latents (B, N) to joints (B, n) in rad, at most a little outside of the limits."""

    def __init__(self, frames: HandFrames, latent_dim: int, widths: Sequence[int]) -> None:
        super().__init__()
        self.frames = frames
        self.mlp = SkipMLP(latent_dim, frames.joint_count, widths)

    def forward(self, latent: Tensor) -> Tensor:
        """(B, N) to (B, n)."""
        return self.frames.denormalise(OVERSHOOT * torch.tanh(self.mlp(latent)))


class HandNetworks(nn.Module):
    """Encoder and decoder of one hand, on common frames."""

    def __init__(self, frames: HandFrames, latent_dim: int, encoder: Sequence[int], decoder: Sequence[int]) -> None:
        super().__init__()
        self.frames = frames
        self.encoder = Encoder(frames, latent_dim, encoder)
        self.decoder = Decoder(frames, latent_dim, decoder)


class Space(nn.Module):
    """All hands of one latent space."""

    def __init__(
        self, hands: Iterable[Embodiment], latent_dim: int, encoder: Sequence[int], decoder: Sequence[int]
    ) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        networks = {hand.name: HandNetworks(HandFrames(hand), latent_dim, encoder, decoder) for hand in hands}
        self.hands = nn.ModuleDict(networks)

    def trainable(self) -> dict[str, Tensor]:
        """The learned tensors by name, each once."""
        return dict(self.named_parameters())
