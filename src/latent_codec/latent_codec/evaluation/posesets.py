"""The poses that are measured on: the same for every space, each hand's own whatever other hands there are."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np

from embodiments.registry import Embodiment
from latent_codec.evaluation.vectors import common_fingers, thumb_vectors
from latent_codec.training.data import poses

SEED = 12345
PINCH_SHARE = 0.1


@dataclass(frozen=True, eq=False)
class PoseSet:
    """Random poses of one hand: `joints` (M, n), uniform within the limits, and which of them are pinches.

    `pinch` are the rows of the decile whose finger closest to the thumb is closest, in any hand's measure its own.
    """

    hand: Embodiment
    joints: np.ndarray
    pinch: np.ndarray


def pose_set(hand: Embodiment, count: int, seed: int = SEED) -> PoseSet:
    """`count` poses of `hand`, a function of `seed` and the hand alone."""
    joints = poses.uniform(hand, count, generator(seed, hand.name))
    closest = np.linalg.norm(thumb_vectors(hand, joints, common_fingers(hand)), axis=-1).min(axis=1)
    return PoseSet(hand, joints, np.argsort(closest, kind="stable")[: max(1, round(PINCH_SHARE * count))])


def generator(seed: int, *words: str) -> np.random.Generator:
    """Random numbers for what `words` name."""
    return np.random.default_rng([seed, *(zlib.crc32(word.encode()) for word in words)])
