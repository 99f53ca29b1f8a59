"""All hands of a training side by side: joints padded to (H, M, J), fingers to (H, M, 5, 3)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor, nn

from embodiments.registry import Embodiment
from embodiments.torch_tips import GroupedTips


class HandGroup(nn.Module):
    """Limits, normalisation and fingertips of H hands, J joints each after padding.

    Fingertips are in each hand's grasp frame (m), which means the same for every hand, so that vectors between them can
    be compared across hands.

    Attributes:
        hands, names, kinds, joint_counts: of the hands, in order.
        joint_mask: (H, J), finger_mask: (H, 5) over thumb .. little; true where there is one.
        middle, half_range: (H, 1, J) of the limits in rad (m for prismatic joints); 0 and 1 where padded.
    """

    middle: Tensor
    half_range: Tensor

    def __init__(self, hands: Sequence[Embodiment]) -> None:
        super().__init__()
        self.hands = tuple(hands)
        self.names = tuple(hand.name for hand in hands)
        self.kinds = tuple(hand.kind for hand in hands)
        self.joint_counts = tuple(len(hand.joints) for hand in hands)
        self.tips = GroupedTips(hands)
        width = max(self.joint_counts)
        middle, half_range = torch.zeros(len(hands), 1, width), torch.ones(len(hands), 1, width)
        for row, hand in enumerate(hands):
            lower, upper = (torch.tensor(limit.copy()) for limit in (hand.lower, hand.upper))
            middle[row, 0, : len(lower)] = (lower + upper) / 2
            half_range[row, 0, : len(lower)] = (upper - lower) / 2
        self.register_buffer("middle", middle, persistent=False)
        self.register_buffer("half_range", half_range, persistent=False)

    @property
    def device(self) -> torch.device:
        """Where the tensors are."""
        return self.middle.device

    @property
    def joint_mask(self) -> Tensor:
        """(H, J), true where there is a joint."""
        return self.tips.joint_mask

    @property
    def finger_mask(self) -> Tensor:
        """(H, 5), true where there is a finger."""
        return self.tips.finger_mask

    @property
    def grippers(self) -> Tensor:
        """(H,), true for grippers."""
        return torch.tensor([kind == "gripper" for kind in self.kinds], device=self.device)

    def of_kind(self, *kinds: str) -> list[int]:
        """Rows of the hands of these kinds."""
        return [row for row, kind in enumerate(self.kinds) if kind in kinds]

    def normalise(self, joints: Tensor) -> Tensor:
        """Joints (H, M, J) in rad to -1 .. 1 between the limits."""
        return (joints - self.middle) / self.half_range

    def denormalise(self, unit: Tensor) -> Tensor:
        """Values (H, M, J) of -1 .. 1 to joints in rad."""
        return self.middle + unit * self.half_range

    def pad(self, joints: Sequence[Tensor]) -> Tensor:
        """Joints (M, n) of each hand to (H, M, J), padded with zeros."""
        width = self.joint_mask.shape[1]
        return torch.stack([nn.functional.pad(values, (0, width - values.shape[1])) for values in joints])


class FixedTensors(nn.Module):
    """Tensors that are not learned and move to a device with the module that they belong to."""

    def __init__(self, tensors: Iterable[Tensor]) -> None:
        super().__init__()
        for index, values in enumerate(tensors):
            self.register_buffer(str(index), values, persistent=False)

    def __getitem__(self, index: int) -> Tensor:
        return self.get_buffer(str(index))

    def __len__(self) -> int:
        return len(self._buffers)

    def __iter__(self) -> Iterator[Tensor]:
        return iter(list(self.buffers()))


def thumb_vectors(tips: Tensor) -> Tensor:
    """Vectors (..., F - 1, 3) from the thumb's tip to each other fingertip, from tips (..., F, 3), thumb first."""
    return tips[..., 1:, :] - tips[..., :1, :]
