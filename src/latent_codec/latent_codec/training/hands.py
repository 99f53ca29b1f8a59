"""A hand as training sees it: limits and fingertips as tensors, fingertips in the hand's grasp frame."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from embodiments.registry import Embodiment
from embodiments.torch_kinematics import TorchKinematics


class HandFrames(nn.Module):
    """Limits, normalisation and fingertips of one hand.

    Fingertips are given in the grasp frame (m), which means the same for every hand, so that thumb-to-finger vectors
    can be compared across hands.
    """

    def __init__(self, embodiment: Embodiment) -> None:
        super().__init__()
        lower, upper = (torch.tensor(np.array(x), dtype=torch.float32) for x in (embodiment.lower, embodiment.upper))
        to_grasp = torch.tensor(np.linalg.inv(embodiment.grasp_frame), dtype=torch.float32)
        self.name = embodiment.name
        self.gripper = embodiment.kind == "gripper"
        self.fingers = tuple(embodiment.tips)
        self.kinematics = TorchKinematics(embodiment)
        self.register_buffer("middle", (lower + upper) / 2)
        self.register_buffer("half_range", (upper - lower) / 2)
        self.register_buffer("rotation", to_grasp[:3, :3].contiguous())
        self.register_buffer("offset", to_grasp[:3, 3].contiguous())

    @property
    def joint_count(self) -> int:
        """Number of actuated joints."""
        return self.middle.shape[0]

    def normalise(self, joints: Tensor) -> Tensor:
        """Joints (B, n) in rad to -1 .. 1 between the limits."""
        return (joints - self.middle) / self.half_range

    def denormalise(self, unit: Tensor) -> Tensor:
        """Values (B, n) of -1 .. 1 to joints in rad."""
        return self.middle + unit * self.half_range

    def tips(self, joints: Tensor) -> Tensor:
        """Fingertips (B, F, 3) in the grasp frame, m, from joints (B, n)."""
        return self.kinematics.tip_positions(joints) @ self.rotation.T + self.offset


def thumb_vectors(tips: Tensor) -> Tensor:
    """Vectors (..., F - 1, 3) from the thumb's tip to each other fingertip, from tips (..., F, 3), thumb first."""
    return tips[..., 1:, :] - tips[..., :1, :]
