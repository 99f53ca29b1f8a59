"""Worst joint errors at the postures that every hand has: open, pregrasp, grasp, and blends of open and grasp."""

from __future__ import annotations

import numpy as np

import embodiments
from embodiments.registry import Embodiment
from latent_codec import poses
from latent_codec.measure.space import LatentSpace

BLENDS = 41


def anchors(space: LatentSpace) -> dict[str, float | dict[str, float]]:
    """Errors in rad (m of prismatic joints), the largest of all joints.

    `own_joint` by hand: at the three postures, from its own latent. `cross_joint`: on the line open - grasp, from any
    hand's latent. `latent_gap`: largest distance, in one dimension, of two hands' latents of the same blend.
    """
    robots = {name: embodiments.load(name) for name in space.hands}
    corners, line = np.eye(3), _line()
    own = {name: _worst(space, hand, hand, corners) for name, hand in robots.items()}
    cross = {name: max(_worst(space, s, hand, line) for s in robots.values()) for name, hand in robots.items()}
    latents = np.stack([space.encode(name, poses.blend(hand, line)) for name, hand in robots.items()])
    return {"own_joint": own, "cross_joint": cross, "latent_gap": float(np.ptp(latents, axis=0).max())}


def _line() -> np.ndarray:
    share = np.linspace(0, 1, BLENDS)
    return np.stack([1 - share, 0 * share, share], axis=-1)


def _worst(space: LatentSpace, source: Embodiment, target: Embodiment, weights: np.ndarray) -> float:
    latent = space.encode(source.name, poses.blend(source, weights))
    return float(np.abs(space.decode(target.name, latent) - poses.blend(target, weights)).max())
