"""Latents as they are sent to a decoder, and latents as they must not be: what a density is fitted and tested on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

import embodiments
from embodiments import Embodiment
from latent_codec.training.data import families

Encode = Callable[[str, np.ndarray], np.ndarray]
Latents = dict[tuple[str, str], np.ndarray]  # (M, N) by hand and family of postures

NOISE = (0.0, 0.05, 0.1)  # standard deviations: as encoded, as in training, with a policy's error
NEAR_SHARE = 0.3  # of a motion from posture to posture, which takes a second: postures .3 s apart
SHIFT, WIDE = 6.0, 4.0  # standard deviations of what must be refused


def valid(encode: Encode, robots: Sequence[Embodiment], count: int, seed: int, cache: Path | None = None) -> Latents:
    """Latents that a policy may send, about `count` a hand: its postures of all families, encoded.

    Half of them are on the straight line between the latents of two postures of a motion .3 s apart, where one chunk
    hands over to the next. A third each is exact, has the noise of the training, has the error of a policy.
    `cache`: folder of the postures.
    """
    rng, drawn = np.random.default_rng(seed), _postures(robots, count, seed, cache)
    clean = {key: _with_blends(encode, key[0], joints, rng) for key, joints in drawn.items()}
    deviation = pooled(clean).std(0)
    for key, latents in clean.items():
        noise = rng.choice(NOISE, size=(len(latents), 1)) * rng.standard_normal(latents.shape)
        clean[key] = latents + deviation * noise
    return clean


def encoded(encode: Encode, robots: Sequence[Embodiment], count: int, seed: int) -> Latents:
    """The latents of about `count` postures a hand, as they are."""
    return {key: encode(key[0], joints) for key, joints in _postures(robots, count, seed).items()}


def _postures(
    robots: Sequence[Embodiment], count: int, seed: int, cache: Path | None = None
) -> dict[tuple[str, str], np.ndarray]:
    """Joints (M, n) by hand and family, the same number of each family of a hand."""
    human, found = embodiments.load("human"), {}
    for kinds in sorted({families.of(robot) for robot in robots}):
        alike = [robot for robot in robots if families.of(robot) == kinds]
        drawn = families.draw(human, alike, max(1, count // len(kinds)), seed, cache)
        found |= {(name, family): joints for family, by_hand in drawn.items() for name, joints in by_hand.items()}
    return {(robot.name, family): found[robot.name, family] for robot in robots for family in families.of(robot)}


def _with_blends(encode: Encode, hand: str, joints: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    ahead = joints + NEAR_SHARE * (rng.permutation(joints) - joints)
    share = rng.uniform(size=(len(joints), 1)) * (rng.random((len(joints), 1)) < 0.5)
    start = encode(hand, joints)
    return start + share * (encode(hand, ahead) - start)


def pooled(latents: Latents) -> np.ndarray:
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
