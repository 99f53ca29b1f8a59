"""The simplest latent space, whose figures are known: what the measures are tried on, and how little one needs."""

from __future__ import annotations

import numpy as np

import embodiments
from embodiments.registry import Embodiment


class JointSpace:
    """Inspire and Ability, whose six joints mean alike: the latent is `scale` times the joints between the limits.

    `offset` shifts the latents of Ability, which then identify the hand; `silent` decoders give mid-range joints.
    """

    def __init__(self, scale: float = 1.0, offset: float = 0.0, silent: bool = False) -> None:
        self.hands = ("inspire", "ability")
        self.scale, self.silent = scale, silent
        self.offsets = {"inspire": 0.0, "ability": offset}

    def encode(self, hand: str, q: np.ndarray) -> np.ndarray:
        """Joints (B, 6) to latents (B, 6)."""
        middle, half = _limits(embodiments.load(hand))
        return self.scale * (_turn(hand) * (q - middle) / half) + self.offsets[hand]

    def decode(self, hand: str, z: np.ndarray) -> np.ndarray:
        """Latents (B, 6) to joints (B, 6)."""
        middle, half = _limits(embodiments.load(hand))
        share = np.zeros_like(z) if self.silent else (z - self.offsets[hand]) / self.scale
        return middle + half * np.clip(_turn(hand) * share, -1, 1)


def _turn(hand: str) -> np.ndarray:
    """Ability's thumb turns the other way."""
    return np.array([-1 if hand == "ability" else 1, 1, 1, 1, 1, 1])


def _limits(hand: Embodiment) -> tuple[np.ndarray, np.ndarray]:
    return (hand.lower + hand.upper) / 2, (hand.upper - hand.lower) / 2
