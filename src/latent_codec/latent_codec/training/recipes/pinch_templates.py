"""The poses that XL-VLA's public code calls pinch templates, made as it makes them.

Thumb and one finger are pulled to a point in front of the wrist, all other fingertips to where they are at zero angles,
by gradient descent over the joints of the hand and of the arm that carries it. The point lies behind the flange, so
that most of these poses are no pinches (https://arxiv.org/abs/2603.10158 calls its samples uniform and has none).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

import embodiments
from embodiments import Embodiment
from embodiments.torch_kinematics import TorchKinematics
from latent_codec.training.config import Strict
from latent_codec.training.group import HandGroup


class TemplateSettings(Strict):
    """Published numbers. `point` in m from the flange: 7 cm to the palm's side, 8 cm back; noise in m."""

    count: int = Field(default=2048, ge=4)
    arm: str = "xarm7"
    point: tuple[float, float, float] = (0.0, 0.07, -0.08)
    tip_noise: float = Field(default=0.01, ge=0)
    iterations: int = Field(default=100, ge=0)
    learning_rate: float = Field(default=0.05, gt=0)


@dataclass(frozen=True, eq=False)
class Templates:
    """`unit` (H, M, J): joints, -1 .. 1. Fingertips in the arm's base frame, m: `targets`, `reached` (H, M, 5, 3)."""

    unit: Tensor
    targets: Tensor
    reached: Tensor


class ArmTips(nn.Module):
    """Fingertips (H, M, 5, 3) in the base frame (m) of the arm that each hand is mounted on."""

    frames: Tensor

    def __init__(self, hands: Sequence[Embodiment], group: HandGroup, arm: Embodiment) -> None:
        super().__init__()
        self.group, self.arm, self.flange = group, TorchKinematics(arm), arm.flange
        frames = np.stack([hand.mount @ hand.grasp_frame for hand in hands])
        self.register_buffer("frames", torch.tensor(frames, dtype=torch.float32)[:, None], persistent=False)
        self.filling = fill_matrix(group.finger_mask)

    def flanges(self, arm_joints: Tensor) -> Tensor:
        """Poses (H, M, 4, 4) of the flange at arm joints (H, M, n)."""
        return self.arm(arm_joints.flatten(0, 1), [self.flange]).unflatten(0, arm_joints.shape[:2])[:, :, 0]

    def forward(self, arm_joints: Tensor, joints: Tensor) -> Tensor:
        """Fingertips at joints (H, M, J) of the hands; a finger that a hand lacks is given by its last one."""
        pose = self.flanges(arm_joints) @ self.frames
        tips = self.filling[:, None] @ self.group.tips(joints)
        return tips @ pose[..., :3, :3].transpose(-1, -2) + pose[..., None, :3, 3]


def fill_matrix(finger_mask: Tensor) -> Tensor:
    """(H, 5, 5) that turns tips into five: its own finger, or the last one before it where there is none."""
    rows = [[max(f for f in range(finger + 1) if mask[f]) for finger in range(len(mask))] for mask in finger_mask]
    return nn.functional.one_hot(torch.tensor(rows), finger_mask.shape[1]).float()


def make_templates(
    hands: Sequence[Embodiment], group: HandGroup, settings: TemplateSettings, rng: np.random.Generator
) -> Templates:
    """Solve for `count` templates of each hand at once."""
    arm = embodiments.load(settings.arm)
    tips = ArmTips(hands, group, arm)
    lower, upper = (torch.tensor(limit.copy(), dtype=torch.float32) for limit in (arm.lower, arm.upper))
    targets = make_targets(tips, settings, rng)
    free = torch.zeros(*targets.shape[:2], len(lower) + group.joint_mask.shape[1], requires_grad=True)
    optimizer = torch.optim.AdamW([free], lr=settings.learning_rate)

    def reached() -> Tensor:
        unit = torch.tanh(free)
        arm_joints = (lower + upper) / 2 + (upper - lower) / 2 * unit[..., : len(lower)]
        return tips(arm_joints, group.denormalise(unit[..., len(lower) :]))

    for _ in range(settings.iterations):
        optimizer.zero_grad()
        (reached() - targets).square().mean((1, 2, 3)).sum().backward()
        optimizer.step()
    with torch.no_grad():
        unit = torch.tanh(free)[..., len(lower) :] * group.joint_mask[:, None]
        return Templates(unit, targets, reached())


def make_targets(tips: ArmTips, settings: TemplateSettings, rng: np.random.Generator) -> Tensor:
    """Where the fingertips shall go, (H, M, 5, 3): thumb and one of four fingers to the point, noise on all but it."""
    hands, width = tips.group.joint_mask.shape
    arm_zero = torch.zeros(hands, 1, len(tips.arm.joints))
    with torch.no_grad():
        neutral = tips(arm_zero, torch.zeros(hands, 1, width)).expand(-1, settings.count, -1, -1).clone()
        flange = tips.flanges(arm_zero)
    point = flange[..., :3, :3] @ torch.tensor(settings.point) + flange[..., :3, 3]
    finger = torch.arange(settings.count) * 4 // settings.count + 1
    neutral[:, :, 0] = point
    neutral[:, torch.arange(settings.count), finger] = point
    noise = rng.normal(scale=settings.tip_noise, size=tuple(neutral[:, :, 1:].shape))
    neutral[:, :, 1:] += torch.tensor(noise, dtype=torch.float32)
    return neutral
