"""Fingertips of many hands at once in torch, differentiable: few large operations instead of many small ones.

Each finger is a serial chain from the hand's grasp frame to its tip, and all chains of all hands go through the same
operations. A chain is evaluated from the tip inwards, so that points are moved and never whole frames: a joint costs
one rotation of a point about z and one product with a constant. The gradient is written out the same way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from contracts.transforms import inverse
from embodiments.registry import Embodiment
from embodiments.schema import FINGERS
from embodiments.torch_plan import serial


class GroupedTips(nn.Module):
    """Fingertips of H hands in their own grasp frames; `.to(device)` and `.double()` work.

    Joints are padded to the J of the hand that has most; a padded joint moves nothing. Fingers a hand lacks are zero.

    Attributes:
        names: Of the hands.
        joint_mask: (H, J), true where there is a joint.
        finger_mask: (H, 5), true where there is a finger.
    """

    joint_mask: Tensor
    finger_mask: Tensor
    _source: Tensor
    _rotation: Tensor
    _shift: Tensor
    _multiplier: Tensor
    _offset: Tensor
    _lower: Tensor
    _upper: Tensor
    _turns: Tensor
    _end: Tensor

    def __init__(self, hands: Sequence[Embodiment]) -> None:
        super().__init__()
        self.names = tuple(hand.name for hand in hands)
        counts = [len(hand.joints) for hand in hands]
        width = max(counts)
        chains = [_finger(hand, finger, row * width) for row, hand in enumerate(hands) for finger in FINGERS]
        depth = max(len(chain.source) for chain in chains)
        packed = [chain.padded(depth) for chain in chains]
        self.register_buffer("joint_mask", torch.arange(width) < torch.tensor(counts)[:, None], persistent=False)
        has = [[finger in hand.tips for finger in FINGERS] for hand in hands]
        self.register_buffer("finger_mask", torch.tensor(has), persistent=False)
        self.register_buffer("_source", _stack(packed, "source").long().flatten(), persistent=False)
        for name in ("rotation", "shift", "multiplier", "offset", "lower", "upper", "turns", "end"):
            self.register_buffer(f"_{name}", _stack(packed, name), persistent=False)

    def forward(self, q: Tensor) -> Tensor:
        """Return fingertips (H, M, 5, 3) in m from joints (H, M, J) in rad (m for prismatic joints).

        Raises:
            ValueError: Wrong shape of `q`.
        """
        hands, rows, width = q.shape
        if (hands, width) != tuple(self.joint_mask.shape):
            raise ValueError(
                f"joints of shape {tuple(q.shape)}, expected {(len(self.names), 'M', self.joint_mask.shape[1])}"
            )
        driven = q.transpose(1, 2).reshape(hands * width, rows)[self._source].unflatten(0, self._turns.shape[:2])
        travel = driven * self._multiplier + self._offset
        travel = torch.minimum(torch.maximum(travel, self._lower), self._upper)
        return self._reach(travel).unflatten(0, (hands, len(FINGERS))).permute(0, 3, 1, 2)

    def _reach(self, travel: Tensor) -> Tensor:
        constants = (self._rotation, self._shift, self._turns, self._end)
        if torch.compiler.is_exporting():
            return reach(travel, *constants)[0]
        return _Reach.apply(travel, *constants)


def reach(travel: Tensor, rotation: Tensor, shift: Tensor, turns: Tensor, end: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Compute the tips of C chains of D joints for M postures.

    Args:
        travel: (D, C, M) joint positions, rad (m for prismatic joints).
        rotation: (D, C, 3, 3) from joint to joint.
        shift: (D, C, 3, 1) from joint to joint, m.
        turns: (D, C, 1), 1 for a revolute joint, 0 for a prismatic one.
        end: (C, 3, 1) tip in the last joint's frame, m.

    Returns:
        The tips (C, 3, M), and the points (C, 3, M) after the rotation of each joint.
    """
    points = end.expand(-1, -1, travel.shape[2])
    angle = travel * turns
    slide = travel - angle
    sin, cos = torch.sin(angle), torch.cos(angle)
    turned: list[Tensor] = []
    for joint in reversed(range(len(travel))):
        x, y, z = points.unbind(1)
        s, c = sin[joint], cos[joint]
        turned.append(torch.stack((c * x - s * y, s * x + c * y, z + slide[joint]), dim=1))
        points = torch.baddbmm(shift[joint], rotation[joint], turned[-1])
    return points, turned[::-1]


class _Reach(torch.autograd.Function):
    """`reach` with its gradient: a joint turns a tip by the cross product of its axis and the way to the tip."""

    @staticmethod
    def forward(ctx: Any, travel: Tensor, rotation: Tensor, shift: Tensor, turns: Tensor, end: Tensor) -> Tensor:
        points, turned = reach(travel, rotation, shift, turns, end)
        ctx.save_for_backward(travel, rotation, turns, *turned)
        return points

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, gradient: Tensor
    ) -> tuple[Tensor, None, None, None, None]:
        travel, rotation, turns, *turned = ctx.saved_tensors
        angle = travel * turns
        sin, cos = torch.sin(angle), torch.cos(angle)
        result = torch.empty_like(travel)
        for joint, point in enumerate(turned):
            gradient = torch.bmm(rotation[joint].transpose(1, 2), gradient)
            x, y, z = gradient.unbind(1)
            spin = y * point[:, 0] - x * point[:, 1]
            result[joint] = torch.where(turns[joint] > 0, spin, z)
            s, c = sin[joint], cos[joint]
            gradient = torch.stack((c * x + s * y, c * y - s * x, z), dim=1)
        return result, None, None, None, None


@dataclass(frozen=True, eq=False)
class _Chain:
    """One finger's D joints from the grasp frame outwards, as arrays whose first dimension is D; `end` (3, 1)."""

    source: np.ndarray
    rotation: np.ndarray
    shift: np.ndarray
    multiplier: np.ndarray
    offset: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    turns: np.ndarray
    end: np.ndarray

    def padded(self, depth: int) -> _Chain:
        """The same, padded at the tip with joints that change nothing."""
        extra = depth - len(self.source)
        fill = {"rotation": np.eye(3), "turns": 1.0}
        parts = {}
        for name, value in vars(self).items():
            padding = np.broadcast_to(fill.get(name, 0.0), (extra, *value.shape[1:]))
            parts[name] = value if name == "end" else np.concatenate([value, padding])
        return _Chain(**parts)


def _finger(hand: Embodiment, finger: str, first: int) -> _Chain:
    """The chain of one finger; joint indices count from `first`. A finger that does not exist stays at zero."""
    tree = hand.kinematics.chain
    if finger not in hand.tips:
        joints, constants, end = [], np.empty((0, 4, 4)), np.zeros(4)
    else:
        joints, constants, end = serial(tree, hand.tips[finger])
        constants[0] = inverse(np.asarray(hand.grasp_frame)) @ constants[0]
    columns = {
        name: getattr(tree, name)[joints][:, None].astype(float) for name in ("multiplier", "offset", "lower", "upper")
    }
    return _Chain(
        source=first + tree.source[joints],
        rotation=constants[:, :3, :3],
        shift=constants[:, :3, 3:],
        turns=tree.revolute[joints][:, None].astype(float),
        end=end[:3, None],
        **columns,
    )


def _stack(chains: Sequence[_Chain], name: str) -> Tensor:
    """One array of all chains: (D, C, ...), or (C, 3, 1) for `end`."""
    axis = 0 if name == "end" else 1
    return torch.tensor(np.stack([getattr(chain, name) for chain in chains], axis=axis), dtype=torch.float32)
