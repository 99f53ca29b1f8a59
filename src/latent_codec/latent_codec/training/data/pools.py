"""What the batches of a training are drawn from: pools of poses, anchors, and poses matched on all hands.

Anchors are every hand closed by the same share, from open over pregrasp to grasp, which shall have one latent. One
curve, and no more: what lies beside it has no counterpart. The pregrasp of some hands is on their straight line from
open to grasp, so that if other blends were tied too, one pose of such a hand would have to have two latents.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

import embodiments
from contracts.progress import track
from embodiments import Embodiment
from latent_codec.evaluation.oracle import Oracle
from latent_codec.evaluation.vectors import PoseSet
from latent_codec.training.across import Across, Pairs
from latent_codec.training.data import families, human_prior, poses
from latent_codec.training.group import FixedTensors, HandGroup

CACHE = Path("out/cache/families")
CHUNK = 8192


@dataclass(frozen=True)
class PoolSettings:
    """Postures of a family and hand, the share of each family in a batch, and noise of half of them.

    The noise is a share of half of each joint's range; of the families that have none of their own.
    """

    size: int
    shares: Mapping[str, float]
    noise: float


class Pools(nn.Module):
    """Postures of each family; a batch has so many of each as its share says.

    A gripper, which lacks most families, has uniform ones instead.
    """

    def __init__(self, hands: Sequence[Embodiment], group: HandGroup, settings: PoolSettings, seed: int) -> None:
        super().__init__()
        self.group = group
        self.families = [family for family in families.ALL if settings.shares.get(family, 0.0) > 0]
        self._shares = np.array([settings.shares[family] for family in self.families])
        drawn = families.draw(embodiments.load("human"), hands, settings.size, seed, CACHE)
        everyone = [[_of(hand, name, drawn, settings.noise, seed) for hand in hands] for name in self.families]
        self.joints = FixedTensors(padded(group, joints) for joints in everyone)
        self.tips = FixedTensors(fingertips(group, joints) for joints in self.joints)

    def counts(self, size: int) -> list[int]:
        """How many of `size` postures are of each family."""
        ends = np.cumsum([0.0, *self._shares]) / self._shares.sum() * size
        return np.diff(np.round(ends).astype(int)).tolist()

    def rows(self, size: int, rng: np.random.Generator) -> Iterator[tuple[int, Tensor]]:
        """Families by number and the rows (H, B) to take of each, for `size` postures a hand."""
        for index, count in enumerate(self.counts(size)):
            pool = self.joints[index]
            yield index, torch.from_numpy(rng.integers(pool.shape[1], size=(len(pool), count)))

    def batch(self, size: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Joints (H, `size`, J) in rad and fingertips (H, `size`, 5, 3) in m."""
        joints, tips = [], []
        for index, rows in self.rows(size, rng):
            hands = torch.arange(len(rows))[:, None]
            joints.append(self.joints[index][hands, rows])
            tips.append(self.tips[index][hands, rows])
        return torch.cat(joints, dim=1), torch.cat(tips, dim=1)


def _of(hand: Embodiment, family: str, drawn: families.Postures, noise: float, seed: int) -> np.ndarray:
    """Joints (M, n) of a hand; of families without noise every second with `noise`."""
    joints = drawn[family].get(hand.name, drawn["uniform"][hand.name])
    if family not in families.EXACT:
        return joints
    scale = noise * (hand.upper - hand.lower) / 2 * (np.arange(len(joints)) % 2)[:, None]
    moved = poses.generator(seed, hand.name, family, "noise").normal(size=joints.shape) * scale
    return np.clip(joints + moved, hand.lower, hand.upper)


def padded(group: HandGroup, joints: Sequence[np.ndarray]) -> Tensor:
    """Joints (M, n) of each hand as one tensor (H, M, J)."""
    return group.pad([torch.tensor(values, dtype=torch.float32) for values in joints])


def fingertips(group: HandGroup, joints: Tensor) -> Tensor:
    """Fingertips (H, M, 5, 3) of joints (H, M, J), without gradient, in pieces that stay in the cache."""
    with torch.no_grad():
        return torch.cat([group.tips(part) for part in joints.split(CHUNK, dim=1)], dim=1)


def postures(group: HandGroup, joints: Tensor, row: int) -> PoseSet:
    """Those of one hand of joints (H, M, J)."""
    hand = group.hands[row]
    return PoseSet(hand, joints[row, :, : len(hand.joints)].double().numpy(), np.arange(0))


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
CLOSER = {"starts": 4, "library": 8192, "iterations": 20}  # pinches: four times as long, and up to 8 mm closer
Wanted = Mapping[int, tuple[Tensor, Tensor]]


def of_all_families(pools: Pools, rows: Sequence[int], count: int, seed: int) -> Wanted:
    """`count` postures of each of the hands `rows`, of all families with their shares."""
    drawn = {row: pools.batch(count, np.random.default_rng([SEED_OFFSET + seed, row])) for row in rows}
    return {row: (joints[row], tips[row]) for row, (joints, tips) in drawn.items()}


def human_pinches(group: HandGroup, count: int, seed: int) -> Wanted:
    """`count` pinches of the human hand, as many with each finger: random ones seldom take the last."""
    found = {}
    for row in group.of_kind("human"):
        rng = np.random.default_rng([SEED_OFFSET + seed, row, 1])
        joints = group.middle.repeat(1, count, 1)
        pinches = human_prior.pinches_of_each_finger(group.hands[row], count, rng)
        joints[row, :, : pinches.shape[1]] = torch.tensor(pinches, dtype=torch.float32)
        found[row] = joints[row], fingertips(group, joints)[row]
    return found


@dataclass(frozen=True, eq=False)
class Match:
    """The same K poses on all hands: `joints` (H, K, J) in rad, `tips` (H, K, 5, 3) in m; from hand `source`."""

    source: int
    joints: Tensor
    tips: Tensor


class MatchedPoses(nn.Module):
    """Postures of some hands, matched on all of them by direct optimisation, and cached.

    Rows of other hands, grippers, are in the middle of their range and mean nothing.

    Args:
        group: All hands.
        rows: The hands that postures are matched on.
        wanted: Row -> postures (K, J) in rad and fingertips (K, 5, 3) in m of that hand.
        seed: Of the optimisation.
        matching: How thorough the optimisation is.
    """

    def __init__(
        self,
        group: HandGroup,
        rows: Sequence[int],
        wanted: Wanted,
        seed: int,
        matching: dict[str, int] = MATCHING,
    ) -> None:
        super().__init__()
        self.group, self.rows = group, rows
        self.across = Across(group, group)
        self.oracle = Oracle(seed=SEED_OFFSET + seed, settings=matching)
        matches = [self._match(row, *wanted[row]) for row in track(wanted, "matching poses")]
        self.sources = [match.source for match in matches]
        self.joints = FixedTensors(match.joints for match in matches)
        self.tips = FixedTensors(match.tips for match in matches)

    def draw(self, size: int, rng: np.random.Generator) -> Match:
        """`size` poses of one source, both drawn at random."""
        row = int(rng.integers(len(self.sources)))
        joints, tips = self.joints[row], self.tips[row]
        chosen = torch.from_numpy(rng.integers(joints.shape[1], size=size))
        return Match(self.sources[row], joints[:, chosen], tips[:, chosen])

    def pairs(self, match: Match, rows: Tensor) -> Pairs:
        """What the best of hands `rows` (R,) are for the poses."""
        return self.across.pairs(match.tips[match.source][None], torch.tensor([match.source]), match.tips[rows], rows)

    def _match(self, source: int, wanted: Tensor, tips: Tensor) -> Match:
        hands, count = self.group.hands, len(wanted)
        own = postures(self.group, wanted.expand(len(hands), -1, -1), source)
        joints = [np.tile((hand.lower + hand.upper) / 2, (count, 1)) for hand in hands]
        for row in self.rows:
            goals = self.across.goals(tips, torch.tensor(source), torch.tensor(row))
            joints[row] = own.joints if row == source else self.oracle.best(own, hands[row], goals).joints
        everyone = padded(self.group, joints)
        return Match(source, everyone, fingertips(self.group, everyone))
