"""Pools of poses that batches are drawn from, of all hands side by side, with fingertips computed once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from embodiments import Embodiment
from latent_codec.training.data import poses
from latent_codec.training.group import FixedTensors, HandGroup, thumb_vectors

CHUNK = 8192


@dataclass(frozen=True)
class PoolSettings:
    """Poses a pool; share of candidates that count as pinches; noise as a share of half of each joint's range."""

    size: int
    pinch_keep: float
    pinch_noise: float
    near_noise: float


class Pools(nn.Module):
    """Two fifths of a batch are uniform poses, two fifths noisy pinches, one fifth poses near the postures' blends."""

    ORDER = (0, 1, 0, 1, 2)

    def __init__(
        self, hands: Sequence[Embodiment], group: HandGroup, settings: PoolSettings, rng: np.random.Generator
    ) -> None:
        super().__init__()
        s = settings
        candidates = [poses.uniform(hand, 4 * s.size, rng) for hand in hands]
        distances = thumb_distances(group, candidates)
        drawn: tuple[list, list, list] = ([], [], [])
        for row, hand in enumerate(hands):
            pinches = candidates[row][closest(distances[row][:, group.finger_mask[row, 1:].numpy()], s.pinch_keep)]
            near = poses.blend(hand, poses.simplex_weights(s.size, rng))
            drawn[0].append(candidates[row][: s.size])
            drawn[1].append(poses.jittered(hand, pinches, s.pinch_noise, s.size, rng))
            drawn[2].append(poses.jittered(hand, near, s.near_noise, s.size // 2, rng))
        self.joints = FixedTensors(padded(group, joints) for joints in drawn)
        self.tips = FixedTensors(fingertips(group, joints) for joints in self.joints)

    def batch(self, size: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Joints (H, B, J) in rad and fingertips (H, B, 5, 3) in m; B is `size` rounded down to fifths."""
        joints, tips = [], []
        for index in self.ORDER:
            pool = self.joints[index]
            rows = torch.from_numpy(rng.integers(pool.shape[1], size=(len(pool), size // len(self.ORDER))))
            hands = torch.arange(len(pool))[:, None]
            joints.append(pool[hands, rows])
            tips.append(self.tips[index][hands, rows])
        return torch.cat(joints, dim=1), torch.cat(tips, dim=1)


def padded(group: HandGroup, joints: Sequence[np.ndarray]) -> Tensor:
    """Joints (M, n) of each hand as one tensor (H, M, J)."""
    return group.pad([torch.tensor(values, dtype=torch.float32) for values in joints])


def fingertips(group: HandGroup, joints: Tensor) -> Tensor:
    """Fingertips (H, M, 5, 3) of joints (H, M, J), without gradient, in pieces that stay in the cache."""
    with torch.no_grad():
        return torch.cat([group.tips(part) for part in joints.split(CHUNK, dim=1)], dim=1)


def thumb_distances(group: HandGroup, joints: Sequence[np.ndarray]) -> np.ndarray:
    """Distances (H, M, 4) in m from each thumb to the other fingertips, of joints (M, n) of each hand."""
    return torch.linalg.vector_norm(thumb_vectors(fingertips(group, padded(group, joints))), dim=-1).numpy()


def closest(distances: np.ndarray, keep: float) -> np.ndarray:
    """Rows of (M, F - 1) distances that are among the `keep` share with the smallest, of any finger."""
    count = max(1, int(len(distances) * keep))
    return np.unique(np.argpartition(distances, count - 1, axis=0)[:count])
