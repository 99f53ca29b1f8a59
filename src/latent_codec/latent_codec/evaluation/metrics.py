"""What the manifest of a bundle says about its quality: what can be measured with nothing but the bundle."""

from __future__ import annotations

from typing import Any

import numpy as np
from pydantic import JsonValue

import embodiments
from embodiments.registry import Embodiment
from embodiments.schema import PREGRASP_SHARE
from latent_codec.codec import Codec
from latent_codec.evaluation.measure import measure_space
from latent_codec.evaluation.space import CodecSpace, LatentSpace
from latent_codec.evaluation.vectors import SEED
from latent_codec.training.data import poses

SHARES = np.linspace(0, 1, 41)


def anchors(space: LatentSpace) -> dict[str, float | dict[str, float]]:
    """Errors in rad (m of prismatic joints), the largest of all joints, where a source can tell how far it is closed.

    `own_joint` by hand: at the three postures, from its own latent. `cross_joint`: at any share of closing, from any
    hand's latent. `latent_gap`: largest distance, in one dimension, of two hands' latents of the same share.
    """
    robots = {name: embodiments.load(name) for name in space.hands}
    postures = np.array([0.0, PREGRASP_SHARE, 1.0])
    own = {name: _worst(space, hand, hand, postures) for name, hand in robots.items()}
    cross = {name: max(_worst(space, s, hand, SHARES) for s in robots.values()) for name, hand in robots.items()}
    latents = np.stack([space.encode(name, poses.closing(hand, SHARES)) for name, hand in robots.items()])
    defined = np.stack([poses.is_unambiguous(hand, SHARES) for hand in robots.values()])[..., None]
    most, least = (end(latents, axis=0, where=defined, initial=start) for end, start in ((np.max, -1e9), (np.min, 1e9)))
    gap = (most - least)[np.any(defined, axis=(0, 2))].max()
    return {"own_joint": own, "cross_joint": cross, "latent_gap": float(gap)}


def _worst(space: LatentSpace, source: Embodiment, target: Embodiment, shares: np.ndarray) -> float:
    shares = shares[poses.is_unambiguous(source, shares)]
    latent = space.encode(source.name, poses.closing(source, shares))
    return float(np.abs(space.decode(target.name, latent) - poses.closing(target, shares)).max())


Metrics = dict[str, JsonValue]


def measure(codec: Codec, count: int = 2000, seed: int = SEED) -> Metrics:
    """`poses`, and `mean`, `hands`, `pairs`, `anchors` of the loaded hands on `count` random poses a hand.

    The oracle and what is read against it are left out: `bench` measures them.
    """
    space = CodecSpace(codec)
    metrics: dict[str, Any] = {"poses": count, **measure_space(space, count, seed), "anchors": anchors(space)}
    return metrics
