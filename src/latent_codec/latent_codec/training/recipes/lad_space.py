"""LAD's representations (arXiv 2506.14608): hands by joints, grippers by width, humans by 189 numbers; unit latents."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from embodiments import Embodiment
from embodiments.landmarks import LANDMARKS
from embodiments.torch_kinematics import TorchKinematics
from latent_codec.training.group import HandGroup
from latent_codec.training.grouped_mlp import Layout
from latent_codec.training.model import Features, Space

NUMBERS = 9 * len(LANDMARKS)


class LocalTransforms(nn.Module):
    """Joints (M, n) of a human hand in rad to (M, 189): each landmark's pose in that of the one before it.

    21 translations in m, then 21 rotations as their first two columns; the wrist's own is the identity.
    """

    def __init__(self, human: Embodiment) -> None:
        super().__init__()
        self.kinematics = TorchKinematics(human)
        wrist = LANDMARKS.index("wrist")
        fingers = [name.split("_")[0] for name in LANDMARKS]
        self.before = [i - 1 if i and fingers[i] == fingers[i - 1] else wrist for i in range(len(LANDMARKS))]

    def forward(self, joints: Tensor) -> Tensor:
        """See the class."""
        poses = self.kinematics(joints, LANDMARKS)
        above = poses[:, self.before]
        turn = above[..., :3, :3].transpose(-1, -2)
        shift = turn @ (poses[..., :3, 3:] - above[..., :3, 3:])
        rotation = turn @ poses[..., :3, :2]
        return torch.cat([shift.flatten(1), rotation.transpose(-1, -2).flatten(1)], dim=1)


class LadFeatures(Features):
    """Normalised joints of hands, widths 0 .. 1 of grippers, local transforms of humans; padded with zeros."""

    mask: Tensor
    gripper: Tensor

    def __init__(self, group: HandGroup) -> None:
        super().__init__(group, tips=False)
        self.humans = nn.ModuleDict({str(row): LocalTransforms(group.hands[row]) for row in group.of_kind("human")})
        mask = group.joint_mask
        if self.humans:
            mask = nn.functional.pad(mask, (0, NUMBERS - mask.shape[1]))
            mask[group.of_kind("human")] = True
        gripper = torch.tensor([[[kind == "gripper"]] for kind in group.kinds])
        self.register_buffer("mask", mask, persistent=False)
        self.register_buffer("gripper", gripper, persistent=False)

    def forward(self, joints: Tensor, tips: Tensor | None = None) -> Tensor:
        """(H, M, J) in rad to (H, M, K)."""
        unit = super().forward(joints)
        unit = torch.where(self.gripper, (unit + 1) / 2, unit) * self.group.joint_mask[:, None]
        rows = list(nn.functional.pad(unit, (0, self.mask.shape[1] - unit.shape[2])).unbind())
        for row, transforms in self.humans.items():
            rows[int(row)] = transforms(joints[int(row), :, : self.group.joint_counts[int(row)]])
        return torch.stack(rows)

    def alone(self, row: int) -> LadFeatures:
        """The same for one hand alone."""
        return LadFeatures(HandGroup([self.group.hands[row]]))


class Unit(nn.Module):
    """Latents (..., N) of length one."""

    def forward(self, latents: Tensor) -> Tensor:
        """Latents (..., N) scaled to length one."""
        return nn.functional.normalize(latents, dim=-1)


class LadSpace(Space):
    """A space whose latents have length one: what InfoNCE compares is also what is decoded and shared."""

    def __init__(self, hands: Sequence[Embodiment], latent_dim: int, encoder: Layout, decoder: Layout) -> None:
        super().__init__(hands, latent_dim, encoder, decoder, squash=None, features=LadFeatures)
        self.unit = Unit()

    def moments(self, joints: Tensor, tips: Tensor | None = None) -> Tensor:
        """Latents (H, M, N) of joints (H, M, J) in rad."""
        return self.encode_features(self.features(joints))

    def encode_features(self, features: Tensor) -> Tensor:
        """Latents (H, M, N) of features (H, M, K)."""
        return self.unit(self._through(self.encoders, features))

    def member(self, row: int) -> tuple[nn.Module, nn.Module]:
        """Encoder and decoder of one hand as modules of their own: (M, n) to (M, N) and back."""
        encoder, decoder = super().member(row)
        return nn.Sequential(encoder, Unit()), decoder
