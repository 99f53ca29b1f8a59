"""Fingertips written for an ONNX graph: only operations whose shapes and branches do not depend on values."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from embodiments import Embodiment


class ExportableTips(nn.Module):
    """What `TorchKinematics.tip_positions` computes, unrolled link by link; the parity gate compares the two."""

    def __init__(self, embodiment: Embodiment) -> None:
        super().__init__()
        chain = embodiment.kinematics.chain
        self.tips = tuple(chain.link_index(link) for link in embodiment.tips.values())
        self.steps = tuple((link, chain.parent[link]) for link in chain.needed(self.tips))
        self.source = tuple(int(index) for index in chain.source)
        for name in ("constant", "linear", "quadratic", "multiplier", "offset", "lower", "upper"):
            values = torch.tensor(np.clip(getattr(chain, name), -1e9, 1e9), dtype=torch.float32)
            self.register_buffer(name, values, persistent=False)
        self.register_buffer("revolute", torch.tensor(np.array(chain.revolute)), persistent=False)

    def tip_positions(self, q: Tensor) -> Tensor:
        """Fingertips (B, F, 3) in the root frame, m, from joints (B, n) in rad."""
        p = torch.minimum(torch.maximum(q[:, self.source] * self.multiplier + self.offset, self.lower), self.upper)
        first = torch.where(self.revolute, torch.sin(p), p)[..., None, None]
        second = torch.where(self.revolute, 1 - torch.cos(p), torch.zeros_like(p))[..., None, None]
        local = (self.constant + first * self.linear + second * self.quadratic).unbind(1)
        poses: dict[int, Tensor] = {}
        for link, parent in self.steps:
            poses[link] = poses[parent] @ local[link - 1] if parent else local[link - 1]
        return torch.stack([poses[link][:, :3, 3] for link in self.tips], dim=1)
