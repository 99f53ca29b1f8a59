"""The poses that spaces are measured on, and their thumb-to-finger vectors, which are compared across hands.

The poses are the same for every space: those of a hand do not depend on which other hands there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from embodiments.registry import Embodiment
from latent_codec.training.data import poses

REACH_DEG = 2.0
REACH_MM = 2.0
_TINY = 1e-9  # m; a shorter vector has no direction


def common_fingers(*hands: Embodiment) -> tuple[str, ...]:
    """Fingers but the thumb that all of `hands` have."""
    return tuple(finger for finger in hands[0].tips if finger != "thumb" and all(finger in h.tips for h in hands))


def thumb_vectors(hand: Embodiment, joints: np.ndarray, fingers: Sequence[str]) -> np.ndarray:
    """Vectors (M, F, 3) in m from the thumb's tip to those of `fingers`, in the grasp frame, at joints (M, n)."""
    return from_thumb(hand, poses.grasp_tips(hand, joints), fingers)


def from_thumb(hand: Embodiment, tips: np.ndarray, fingers: Sequence[str]) -> np.ndarray:
    """The same from the fingertips (M, F, 3) of `hand`."""
    order = list(hand.tips)
    return tips[:, [order.index(finger) for finger in fingers]] - tips[:, [order.index("thumb")]]


@dataclass(frozen=True)
class Errors:
    """Mismatch of vectors: `direction` in degrees and `distance` in mm, both (M, F)."""

    direction: np.ndarray
    distance: np.ndarray

    def mean(self, where: np.ndarray | None = None) -> tuple[float, float]:
        """Means over all or over the cases `where` ((M,) rows, or an (M, F) mask); NaN where there are none."""
        chosen = [values if where is None else values[where] for values in (self.direction, self.distance)]
        direction, distance = (float(values.mean()) if values.size else float("nan") for values in chosen)
        return direction, distance

    @property
    def reached(self) -> np.ndarray:
        """Cases (M, F) matched within 2 degrees and 2 mm."""
        return (self.direction < REACH_DEG) & (self.distance < REACH_MM)


def compare(wanted: np.ndarray, found: np.ndarray) -> Errors:
    """Errors between vectors (M, F, 3) in m: the angle between them, the difference of their lengths."""
    lengths = np.linalg.norm(wanted, axis=-1), np.linalg.norm(found, axis=-1)
    cosine = (wanted * found).sum(-1) / np.maximum(lengths[0] * lengths[1], _TINY**2)
    return Errors(np.degrees(np.arccos(np.clip(cosine, -1, 1))), 1e3 * np.abs(lengths[1] - lengths[0]))


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
    joints = poses.uniform(hand, count, poses.generator(seed, hand.name))
    closest = np.linalg.norm(thumb_vectors(hand, joints, common_fingers(hand)), axis=-1).min(axis=1)
    return PoseSet(hand, joints, np.argsort(closest, kind="stable")[: max(1, round(PINCH_SHARE * count))])
