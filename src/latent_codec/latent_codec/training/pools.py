"""Pools of poses that batches are drawn from, with fingertips computed once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from embodiments import Embodiment
from latent_codec import poses


@dataclass(frozen=True)
class PoolSettings:
    """Poses a pool; share of candidates that count as pinches; noise as a share of half of each joint's range."""

    size: int
    pinch_keep: float
    pinch_noise: float
    near_noise: float


class Pools:
    """Two fifths of a batch are uniform poses, two fifths noisy pinches, one fifth poses near the postures' blends."""

    ORDER = (0, 1, 0, 1, 2)

    def __init__(self, hand: Embodiment, settings: PoolSettings, rng: np.random.Generator) -> None:
        s = settings
        pinch = poses.pinches(hand, 4 * s.size, s.pinch_keep, rng)
        near = poses.blend(hand, poses.simplex_weights(s.size, rng))
        drawn = (
            poses.uniform(hand, s.size, rng),
            poses.jittered(hand, pinch, s.pinch_noise, s.size, rng),
            poses.jittered(hand, near, s.near_noise, s.size // 2, rng),
        )
        self.pools = [poses.pool(hand, joints) for joints in drawn]

    def batch(self, size: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Joints (B, n) in rad and fingertips (B, F, 3) in the grasp frame in m; B is `size` rounded down to fifths."""
        joints, tips = [], []
        for index in self.ORDER:
            pool = self.pools[index]
            rows = rng.integers(len(pool.joints), size=size // len(self.ORDER))
            joints.append(pool.joints[rows])
            tips.append(pool.tips[rows])
        return torch.from_numpy(np.concatenate(joints)), torch.from_numpy(np.concatenate(tips))
