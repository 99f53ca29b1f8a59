"""Matched poses to train on: random poses of one hand and the best that every other hand can do for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from rich.progress import track
from torch import Tensor, nn

from latent_codec.evaluation.oracle import CACHE, Oracle
from latent_codec.evaluation.vectors import pose_set
from latent_codec.training.data.pools import fingertips, padded
from latent_codec.training.group import FixedTensors, HandGroup

SEED_OFFSET = 1_000_003  # never the poses that the space is measured on
SETTINGS = {"starts": 2, "library": 4096, "iterations": 10}


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

    def __init__(
        self, group: HandGroup, rows: Sequence[int], count: int, seed: int, cache: Path | None = CACHE
    ) -> None:
        super().__init__()
        self.group, self.rows = group, rows
        self.oracle, self.seed = Oracle(cache, SEED_OFFSET + seed, SETTINGS), SEED_OFFSET + seed
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
