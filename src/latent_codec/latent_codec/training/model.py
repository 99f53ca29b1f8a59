"""A latent space: an encoder and a decoder for each hand, trained side by side, exported one by one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn

from embodiments.registry import Embodiment
from latent_codec.training.devices import Share
from latent_codec.training.group import HandGroup, thumb_vectors
from latent_codec.training.grouped_mlp import GroupedMLP, Layout, SkipMLP

TIP_SCALE = 10.0  # fingertips lie within about 0.1 m of the grasp frame
OVERSHOOT = 1.05  # lets tanh reach the limits at a finite input; the runtime clamps what exceeds them


class Features(nn.Module):
    """What an encoder sees of a pose: normalised joints, and with `tips` also the fingertips that the joints imply."""

    mask: Tensor

    def __init__(self, group: HandGroup, tips: bool) -> None:
        super().__init__()
        self.group, self.with_tips = group, tips
        mask = group.joint_mask
        if tips:
            fingers = group.finger_mask
            vectors = fingers[:, 1:]
            mask = torch.cat([mask, fingers.repeat_interleave(3, 1), vectors.repeat_interleave(3, 1)], dim=1)
        self.register_buffer("mask", mask, persistent=False)

    def forward(self, joints: Tensor, tips: Tensor | None = None) -> Tensor:
        """(H, M, J) to (H, M, K), zero where padded; `tips` (H, M, 5, 3) saves computing them again."""
        unit = self.group.normalise(joints) * self.group.joint_mask[:, None]
        if not self.with_tips:
            return unit
        tips = self.group.tips(joints) if tips is None else tips
        points = torch.cat([tips, thumb_vectors(tips)], dim=2).flatten(2) * TIP_SCALE
        return torch.cat([unit, points * self.mask[:, None, unit.shape[2] :]], dim=2)

    def alone(self, row: int) -> Features:
        """The same for one hand alone."""
        return Features(HandGroup([self.group.hands[row]]), self.with_tips)


class Space(nn.Module):
    """The networks of all hands of one latent space of `latent_dim` dimensions.

    `statistics` is how many numbers an encoder gives for each latent value: 1, or 2 where it gives mean and logarithm
    of the variance. `squash`: joints pass through tanh and stay within the limits. `features` makes what the encoders
    see of a group of hands instead of the usual, with or without `tips`. While `coarse` is set, products are in
    bfloat16. `share` is what of a batch this process evaluates the networks for.
    """

    coarse = False
    share = Share()

    def __init__(
        self,
        hands: Sequence[Embodiment],
        latent_dim: int,
        encoder: Layout,
        decoder: Layout,
        *,
        tips: bool = True,
        squash: float | None = OVERSHOOT,
        statistics: Literal[1, 2] = 1,
        features: Callable[[HandGroup], Features] | None = None,
    ) -> None:
        super().__init__()
        self.group = HandGroup(hands)
        self.latent_dim, self.squash = latent_dim, squash
        self.features = (features or partial(Features, tips=tips))(self.group)
        known, width = self.features.mask.sum(1).tolist(), self.features.mask.shape[1]
        self.encoders = GroupedMLP(encoder, known, width, statistics * latent_dim)
        self.decoders = GroupedMLP(decoder, [latent_dim] * len(known), latent_dim, self.group.joint_mask.shape[1])

    def encode(self, joints: Tensor, tips: Tensor | None = None) -> Tensor:
        """Joints (H, M, J) in rad, and their fingertips where known, to latents (H, M, N)."""
        return self.moments(joints, tips)[..., : self.latent_dim]

    def moments(self, joints: Tensor, tips: Tensor | None = None) -> Tensor:
        """All that the encoders give: (H, M, N) or, with two statistics, (H, M, 2 N)."""
        return self._through(self.encoders, self.features(joints, tips))

    def decode(self, latents: Tensor) -> Tensor:
        """Latents (H, M, N) to joints (H, M, J) in rad, at most a little outside of the limits."""
        unit = self._through(self.decoders, latents)
        return self.group.denormalise(unit if self.squash is None else self.squash * torch.tanh(unit))

    def _through(self, networks: GroupedMLP, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, torch.bfloat16, enabled=self.coarse):
            return self.share.evaluate(lambda rows: networks(rows).float(), x)

    def member(self, row: int) -> tuple[nn.Module, nn.Module]:
        """Encoder and decoder of one hand as modules of their own: (M, n) to (M, N) and back."""
        known = self.features.mask[row].nonzero()[:, 0]
        encoder = self.encoders.member(row, known, slice(0, self.latent_dim))
        decoder = self.decoders.member(row, outputs=slice(0, self.group.joint_counts[row]))
        features = self.features.alone(row)
        return Encoder(features, encoder).eval(), Decoder(features.group, decoder, self.squash).eval()

    def trainable(self) -> dict[str, Tensor]:
        """The learned tensors by name, each once."""
        return dict(self.named_parameters())


class Encoder(nn.Module):
    """Joints (M, n) of one hand in rad to latents (M, N)."""

    known: Tensor

    def __init__(self, features: Features, mlp: SkipMLP) -> None:
        super().__init__()
        self.features, self.mlp = features, mlp
        self.register_buffer("known", features.mask[0].nonzero()[:, 0], persistent=False)

    def forward(self, joints: Tensor) -> Tensor:
        """(M, n) to (M, N)."""
        return self.mlp(self.features(joints[None])[0][:, self.known])


class Decoder(nn.Module):
    """Latents (M, N) to joints (M, n) of one hand in rad."""

    def __init__(self, group: HandGroup, mlp: SkipMLP, squash: float | None) -> None:
        super().__init__()
        self.group, self.mlp, self.squash = group, mlp, squash

    def forward(self, latents: Tensor) -> Tensor:
        """(M, N) to (M, n)."""
        unit = self.mlp(latents)
        return self.group.denormalise((unit if self.squash is None else self.squash * torch.tanh(unit))[None])[0]
