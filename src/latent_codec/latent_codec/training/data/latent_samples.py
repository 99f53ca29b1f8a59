"""Latents as they are sent to a decoder, and latents as they must not be: what a density is fitted and tested on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from embodiments import Embodiment
from latent_codec.training.data import poses

Encode = Callable[[str, np.ndarray], np.ndarray]

PINCH_KEEP, PINCH_NOISE = 0.02, 0.05
NOISE = (0.0, 0.05, 0.1)  # standard deviations: as encoded, as in training, with a policy's error
NEAR_SHARE = 0.3  # of a motion from pose to pose, which takes a second: poses .3 s apart
SHIFT, WIDE = 6.0, 4.0  # standard deviations of what must be refused


def hand_poses(hand: Embodiment, count: int, rng: np.random.Generator) -> np.ndarray:
    """Joints (count, n): two fifths random, two fifths pinches, one fifth blends of the postures."""
    part = 2 * count // 5
    pinches = poses.pinches(hand, 2 * count, PINCH_KEEP, rng)
    return np.concatenate(
        [
            poses.uniform(hand, part, rng),
            poses.jittered(hand, pinches, PINCH_NOISE, part, rng),
            poses.blend(hand, poses.simplex_weights(count - 2 * part, rng)),
        ]
    )


def valid(encode: Encode, robots: Sequence[Embodiment], count: int, seed: int) -> dict[str, np.ndarray]:
    """Latents (count, N) by hand that a policy may send: poses of that hand, encoded.

    Half of them are on the straight line between the latents of two poses of a motion .3 s apart, where one chunk
    hands over to the next. A third each is exact, has the noise of the training, has the error of a policy.
    """
    rng = np.random.default_rng(seed)
    clean = {hand.name: _with_blends(encode, hand, count, rng) for hand in robots}
    deviation = np.concatenate(list(clean.values())).std(0)
    noise = {name: rng.choice(NOISE, size=(count, 1)) * rng.standard_normal(z.shape) for name, z in clean.items()}
    return {name: latents + deviation * noise[name] for name, latents in clean.items()}


def _with_blends(encode: Encode, hand: Embodiment, count: int, rng: np.random.Generator) -> np.ndarray:
    joints = hand_poses(hand, count, rng)
    ahead = joints + NEAR_SHARE * (rng.permutation(joints) - joints)
    share = rng.uniform(size=(count, 1)) * (rng.random((count, 1)) < 0.5)
    start = encode(hand.name, joints)
    return start + share * (encode(hand.name, ahead) - start)


def pooled(latents: Mapping[str, np.ndarray]) -> np.ndarray:
    """All latents of all hands (M, N)."""
    return np.concatenate(list(latents.values()))


def shifted(latents: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Latents (M, N), of each one coordinate, drawn at random, moved up or down by 6 standard deviations."""
    moved, rows = latents.copy(), np.arange(len(latents))
    column = rng.integers(latents.shape[1], size=len(latents))
    moved[rows, column] += SHIFT * latents.std(0)[column] * rng.choice([-1, 1], size=len(latents))
    return moved


def noise(latents: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Normal noise (M, N) of 4 of the latents' standard deviations."""
    return latents.mean(0) + WIDE * latents.std(0) * rng.standard_normal(latents.shape)


def turned(latents: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Latents (M, N) turned at random about their mean, which keeps mean and covariance: a stand-in for other spaces.

    Another training gives the same poses other coordinates; beyond the covariance nothing ties the two.
    """
    mean, covariance = latents.mean(0), np.cov(latents.T, ddof=0).reshape(latents.shape[1], -1)
    values, vectors = np.linalg.eigh(covariance)
    root = np.sqrt(np.maximum(values, 1e-12 * values.max()))
    turn = np.linalg.qr(rng.standard_normal(covariance.shape))[0]
    return mean + ((latents - mean) @ (vectors / root) @ turn) @ (vectors * root).T


def standardised(latents: np.ndarray, like: np.ndarray) -> np.ndarray:
    """Latents (M, N) with the mean and the standard deviation that each coordinate of `like` has."""
    deviation = np.maximum(latents.std(0), 1e-9)
    return like.mean(0) + (latents - latents.mean(0)) / deviation * like.std(0)
