"""A space together with the poses it is measured on and their latents, encoded once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np

import embodiments
from embodiments.registry import Embodiment
from latent_codec.measure.posesets import SEED, PoseSet, pose_set
from latent_codec.measure.space import LatentSpace


@dataclass(frozen=True, eq=False)
class Encoded:
    """Pose sets of all hands of `space` and their latents, (M, N) each.

    `scale` is the latent's RMS standard deviation: square root of the mean over dimensions of the variance of the
    latents of all hands that are no grippers, put together. Distances and noise in latent space are given in it.
    """

    space: LatentSpace
    sets: Mapping[str, PoseSet]
    latents: Mapping[str, np.ndarray]
    scale: float
    seed: int

    @property
    def hands(self) -> tuple[str, ...]:
        """Names of the hands that are no grippers; of all where there are only grippers."""
        return tuple(name for name in self.sets if not self.is_gripper(name)) or tuple(self.sets)

    def hand(self, name: str) -> Embodiment:
        """The embodiment of that name."""
        return self.sets[name].hand

    def is_gripper(self, name: str) -> bool:
        """Whether the embodiment of that name is a gripper."""
        return self.hand(name).kind == "gripper"

    def pairs(self) -> list[tuple[str, str]]:
        """Names of `hand_pairs`."""
        return [(a.name, b.name) for a, b in hand_pairs([poses.hand for poses in self.sets.values()])]

    def across(self, source: str, target: str) -> np.ndarray:
        """Joints (M, n) of `target` decoded from the latents of `source`."""
        return self.space.decode(target, self.latents[source])


def encode(space: LatentSpace, count: int, seed: int = SEED) -> Encoded:
    """`count` random poses of each hand of the space, encoded."""
    sets = {name: pose_set(embodiments.load(name), count, seed) for name in space.hands}
    latents = {name: space.encode(name, poses.joints) for name, poses in sets.items()}
    hands = [name for name, poses in sets.items() if poses.hand.kind != "gripper"] or list(sets)
    return Encoded(space, sets, latents, rms_std(np.concatenate([latents[name] for name in hands])), seed)


def hand_pairs(hands: Sequence[Embodiment]) -> list[tuple[Embodiment, Embodiment]]:
    """All ordered pairs (source, target), but for two grippers, which have nothing to share but a width."""
    return [pair for pair in permutations(hands, 2) if any(hand.kind != "gripper" for hand in pair)]


def rms_std(latents: np.ndarray) -> float:
    """RMS over dimensions of the standard deviations of latents (M, N)."""
    return max(float(np.sqrt(latents.var(axis=0).mean())), 1e-12)
