"""Forward kinematics in torch: batched, differentiable, mimic joints included. For training only."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from embodiments.registry import Embodiment
from embodiments.torch_plan import Level, Plan, make_plan


class TorchKinematics(nn.Module):
    """The same kinematics as `Kinematics`, as a module without parameters: `.to(device)` and `.double()` work.

    Joints at the same depth of the tree are multiplied together, so a hand costs as many products as its longest
    finger has joints.
    """

    _multiplier: Tensor
    _offset: Tensor
    _lower: Tensor
    _upper: Tensor

    def __init__(self, embodiment: Embodiment) -> None:
        super().__init__()
        chain = embodiment.kinematics.chain
        self.joints = embodiment.joints
        self.tips = dict(embodiment.tips)
        self._chain = chain
        self._plans: dict[tuple[str, ...], Plan] = {}
        self._source = chain.source.tolist()
        for name in ("multiplier", "offset", "lower", "upper"):
            values = torch.as_tensor(getattr(chain, name), dtype=torch.float32)
            self.register_buffer(f"_{name}", values[:, None], persistent=False)

    def joint_positions(self, q: Tensor) -> Tensor:
        """Return positions (B, J) of all joints of the tree from actuated ones (B, n)."""
        return self._positions(q).T

    def forward(self, q: Tensor, links: Sequence[str]) -> Tensor:
        """Return poses (B, len(links), 4, 4) of `links` in the root frame from joints (B, n) in rad.

        Raises:
            KeyError: A link does not exist.
            ValueError: Wrong shape of `q`.
        """
        plan = self._plan(links)
        frames = self._frames(q, plan)
        poses = torch.cat((frames, _last_row(frames)), dim=2) @ self._constant(plan.ends)[:, None]
        return poses.transpose(0, 1)

    def tip_positions(self, q: Tensor) -> Tensor:
        """Return fingertip positions (B, F, 3) in the root frame (m), in the order of `tips`."""
        plan = self._plan(tuple(self.tips.values()))
        ends = self._constant(plan.ends[:, :, 3:])
        frames = self._frames(q, plan)
        points = torch.bmm(frames.flatten(1, 2), ends).unflatten(1, frames.shape[1:3])
        return points[..., 0].transpose(0, 1)

    def _plan(self, links: Sequence[str]) -> Plan:
        key = tuple(links)
        if key not in self._plans:
            self._plans[key] = make_plan(self._chain, key)
        return self._plans[key]

    def _constant(self, values: np.ndarray) -> Tensor:
        return torch.as_tensor(values, dtype=self._offset.dtype, device=self._offset.device)

    def _positions(self, q: Tensor) -> Tensor:
        """Positions (J, B) of all joints, mimic rules and clamps applied."""
        if q.dim() != 2 or q.shape[1] != len(self.joints):
            raise ValueError(f"joint positions of shape {tuple(q.shape)}, expected (B, {len(self.joints)})")
        positions = q.T[self._source] * self._multiplier + self._offset
        return torch.minimum(torch.maximum(positions, self._lower), self._upper)

    def _frames(self, q: Tensor, plan: Plan) -> Tensor:
        """Poses (L, B, 3, 4) of the moving frames that carry the plan's links."""
        positions = self._positions(q)
        sin, cos = torch.sin(positions), torch.cos(positions)
        root = torch.eye(3, 4, dtype=q.dtype, device=q.device).expand(1, q.shape[0], 3, 4)
        done = [root]
        for level in plan.levels:
            done.append(self._advance(done[-1], level, positions, sin, cos))
        return torch.cat(done)[plan.frames]

    def _advance(self, above: Tensor, level: Level, positions: Tensor, sin: Tensor, cos: Tensor) -> Tensor:
        """Poses (k, B, 3, 4) of one level: the parents', times the constants, times the motion about or along z."""
        parents = above if level.parents == list(range(len(above))) else above[level.parents]
        size = parents.shape[1]
        turned = torch.bmm(parents[..., :3].reshape(-1, 3 * size, 3), self._constant(level.constants))
        x, y, z, shift = turned.unflatten(1, (size, 3)).unbind(-1)
        origin = parents[..., 3] + shift
        turning = self._chain.revolute[level.joints]
        revolute = torch.as_tensor(turning, device=x.device)
        if not turning.all():  # asked of the array: an export cannot branch on a tensor
            travel = torch.where(revolute[:, None], 0.0, positions[level.joints])
            origin = origin + travel[..., None] * z
        s = torch.where(revolute[:, None], sin[level.joints], 0.0)[..., None]
        c = torch.where(revolute[:, None], cos[level.joints], 1.0)[..., None]
        return torch.stack((c * x + s * y, c * y - s * x, z, origin), dim=-1)


def _last_row(frames: Tensor) -> Tensor:
    return frames.new_tensor([0.0, 0.0, 0.0, 1.0]).expand(*frames.shape[:2], 1, 4)
