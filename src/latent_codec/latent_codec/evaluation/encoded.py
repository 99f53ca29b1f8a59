"""A space together with the poses it is measured on and their latents, encoded once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import permutations

import numpy as np

import embodiments
from embodiments.registry import Embodiment
from latent_codec.evaluation.space import LatentSpace
from latent_codec.evaluation.vectors import SEED, PoseSet, from_thumb, pose_set
from latent_codec.training.data import poses


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
    _across: dict[tuple[str, str], tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)

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
        return [(a.name, b.name) for a, b in hand_pairs([own.hand for own in self.sets.values()])]

    def across(self, source: str, target: str) -> np.ndarray:
        """Joints (M, n) of `target` decoded from the latents of `source`."""
        return self._decoded(source, target)[0]

    def across_vectors(self, source: str, target: str, fingers: Sequence[str]) -> np.ndarray:
        """Thumb-to-finger vectors (M, F, 3) in m of those poses."""
        return from_thumb(self.hand(target), self._decoded(source, target)[1], fingers)

    def _decoded(self, source: str, target: str) -> tuple[np.ndarray, np.ndarray]:
        """Joints and fingertips, computed once."""
        pair = source, target
        if pair not in self._across:
            joints = self.space.decode(target, self.latents[source])
            self._across[pair] = joints, poses.grasp_tips(self.hand(target), joints)
        return self._across[pair]


def encode(space: LatentSpace, count: int, seed: int = SEED) -> Encoded:
    """`count` random poses of each hand of the space, encoded."""
    sets = {name: pose_set(embodiments.load(name), count, seed) for name in space.hands}
    latents = {name: space.encode(name, own.joints) for name, own in sets.items()}
    hands = [name for name, own in sets.items() if own.hand.kind != "gripper"] or list(sets)
    return Encoded(space, sets, latents, rms_std(np.concatenate([latents[name] for name in hands])), seed)


def hand_pairs(hands: Sequence[Embodiment]) -> list[tuple[Embodiment, Embodiment]]:
    """All ordered pairs (source, target), but for two grippers, which have nothing to share but a width."""
    return [pair for pair in permutations(hands, 2) if any(hand.kind != "gripper" for hand in pair)]


def rms_std(latents: np.ndarray) -> float:
    """RMS over dimensions of the standard deviations of latents (M, N)."""
    return max(float(np.sqrt(latents.var(axis=0).mean())), 1e-12)
