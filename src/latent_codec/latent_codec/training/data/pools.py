"""What the batches of a training are drawn from: pools of poses, anchors, and poses matched on all hands.

Anchors are every hand closed by the same share, from open over pregrasp to grasp, which shall have one latent. One
curve, and no more: what lies beside it has no counterpart. The pregrasp of some hands is on their straight line from
open to grasp, so that if other blends were tied too, one pose of such a hand would have to have two latents.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from contracts.progress import track
from embodiments import Embodiment
from latent_codec.evaluation.oracle import Oracle
from latent_codec.evaluation.vectors import pose_set
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


class Anchors:
    """Draws `count` shares a step, the same for all hands."""

    def __init__(self, hands: Sequence[Embodiment], group: HandGroup, count: int) -> None:
        self._hands, self._group, self._count = hands, group, count

    def draw(self, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Joints (H, K, J), and 1 where the latent of a hand means that share, 0 where it could be another (H, K)."""
        shares = poses.closing_shares(self._count, rng)
        joints = self._group.pad([torch.tensor(poses.closing(hand, shares)) for hand in self._hands]).float()
        defined = torch.tensor(np.stack([poses.is_unambiguous(hand, shares) for hand in self._hands])).float()
        return joints.to(self._group.device), defined.to(self._group.device)


def weighted_mean(values: Tensor, weights: Tensor) -> Tensor:
    """Mean of `values`, of which `weights`, that broadcast to them, count."""
    weights = weights.expand_as(values)
    return (weights * values).sum() / weights.sum().clamp(min=1)


def latent_spread(latents: Tensor, defined: Tensor) -> Tensor:
    """Mean square of distances of latents (H, K, N) of the same anchors from their mean, where hands speak (H, K)."""
    return weighted_mean((latents - centre(latents, defined)).square(), defined[..., None])


def centre(latents: Tensor, defined: Tensor) -> Tensor:
    """Mean (K, N) of latents (H, K, N) over the hands that speak (H, K)."""
    weights = defined[..., None]
    return (weights * latents).sum(0) / weights.sum(0).clamp(min=1)


SEED_OFFSET = 1_000_003  # never the poses that the space is measured on
MATCHING = {"starts": 2, "library": 4096, "iterations": 10}


@dataclass(frozen=True, eq=False)
class Match:
    """The same K poses on all hands: `joints` (H, K, J) in rad, `tips` (H, K, 5, 3) in m; from hand `source`."""

    source: int
    joints: Tensor
    tips: Tensor


class MatchedPoses(nn.Module):
    """`count` random poses of each of the hands `rows`, matched on all of them by direct optimisation, and cached.

    Rows of other hands, grippers, are in the middle of their range and mean nothing.
    """

    def __init__(self, group: HandGroup, rows: Sequence[int], count: int, seed: int) -> None:
        super().__init__()
        self.group, self.rows = group, rows
        self.oracle, self.seed = Oracle(seed=SEED_OFFSET + seed, settings=MATCHING), SEED_OFFSET + seed
        matches = [self._match(row, count) for row in track(rows, "matching poses")] if count else []
        self.sources = [match.source for match in matches]
        self.joints = FixedTensors(match.joints for match in matches)
        self.tips = FixedTensors(match.tips for match in matches)

    def draw(self, size: int, rng: np.random.Generator) -> Match:
        """`size` poses of one source, both drawn at random."""
        row = int(rng.integers(len(self.sources)))
        joints, tips = self.joints[row], self.tips[row]
        chosen = torch.from_numpy(rng.integers(joints.shape[1], size=size))
        return Match(self.sources[row], joints[:, chosen], tips[:, chosen])

    def _match(self, source: int, count: int) -> Match:
        hands = self.group.hands
        poses = pose_set(hands[source], count, self.seed)
        joints = [np.tile((hand.lower + hand.upper) / 2, (count, 1)) for hand in hands]
        for row in self.rows:
            joints[row] = poses.joints if row == source else self.oracle.best(poses, hands[row]).joints
        everyone = padded(self.group, joints)
        return Match(source, everyone, fingertips(self.group, everyone))
