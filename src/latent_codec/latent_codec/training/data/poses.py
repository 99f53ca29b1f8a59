"""Poses to train on and to measure with: uniform within the limits, mined pinches, blends of the postures."""

from __future__ import annotations

import zlib

import numpy as np

from embodiments.registry import Embodiment
from embodiments.schema import PREGRASP_SHARE

POSTURES = ("open", "pregrasp", "grasp")
CHUNK = 8192


def generator(seed: int, *words: str) -> np.random.Generator:
    """Random numbers for what `words` name."""
    return np.random.default_rng([seed, *(zlib.crc32(word.encode()) for word in words)])


def grasp_tips(hand: Embodiment, joints: np.ndarray) -> np.ndarray:
    """Fingertips (M, F, 3) in the grasp frame (m) at joints (M, n)."""
    to_grasp = np.linalg.inv(hand.grasp_frame)
    parts = [joints[start : start + CHUNK] for start in range(0, len(joints), CHUNK)]
    tips = np.concatenate([hand.kinematics.tip_positions(part) for part in parts])
    return tips @ to_grasp[:3, :3].T + to_grasp[:3, 3]


def uniform(hand: Embodiment, count: int, rng: np.random.Generator) -> np.ndarray:
    """Joints (count, n) uniform within the limits."""
    return rng.uniform(hand.lower, hand.upper, size=(count, len(hand.joints)))


def thumb_distances(tips: np.ndarray) -> np.ndarray:
    """Distances (M, F - 1) in m from the thumb's tip to the others, from tips (M, F, 3)."""
    return np.linalg.norm(tips[:, 1:] - tips[:, :1], axis=-1)


def pinches(hand: Embodiment, candidates: int, keep: float, rng: np.random.Generator) -> np.ndarray:
    """Joints (M, n) of the `keep` share of uniform poses that brings each finger closest to the thumb."""
    joints = uniform(hand, candidates, rng)
    distances = thumb_distances(grasp_tips(hand, joints))
    count = max(1, int(candidates * keep))
    best = np.argpartition(distances, count - 1, axis=0)[:count]
    return joints[np.unique(best)]


def jittered(hand: Embodiment, joints: np.ndarray, noise: float, count: int, rng: np.random.Generator) -> np.ndarray:
    """`count` draws from `joints`, plus normal noise of `noise` times half the range, clamped to the limits."""
    drawn = joints[rng.integers(len(joints), size=count)]
    scale = noise * (hand.upper - hand.lower) / 2
    return np.clip(drawn + rng.normal(size=drawn.shape) * scale, hand.lower, hand.upper)


def closing(hand: Embodiment, shares: np.ndarray) -> np.ndarray:
    """Joints (M, n) of the hand closed by shares (M,): open at 0, pregrasp at PREGRASP_SHARE, grasp at 1."""
    opened, ready, closed = (hand.postures[name] for name in POSTURES)
    shares = np.asarray(shares, dtype=float)[:, None]
    first = np.clip(shares / PREGRASP_SHARE, 0, 1)
    second = np.clip((shares - PREGRASP_SHARE) / (1 - PREGRASP_SHARE), 0, 1)
    return opened + first * (ready - opened) + second * (closed - ready)


def is_unambiguous(hand: Embodiment, shares: np.ndarray) -> np.ndarray:
    """Whether (M,) the hand closed by shares (M,) can be told from itself at others.

    One that opens fully to take something, as grippers do, is the same from open to pregrasp, and stands for pregrasp.
    """
    still = np.array_equal(hand.postures["open"], hand.postures["pregrasp"])
    return np.asarray(shares) >= (PREGRASP_SHARE if still else 0.0)


def closing_shares(count: int, rng: np.random.Generator) -> np.ndarray:
    """Shares (count,) for `closing`; a third are those of the three postures."""
    shares = rng.uniform(0, 1, size=count)
    postures = rng.random(count) < 1 / 3
    shares[postures] = rng.choice([0.0, PREGRASP_SHARE, 1.0], size=int(postures.sum()))
    return shares


def simplex_weights(count: int, rng: np.random.Generator) -> np.ndarray:
    """Blends (count, 3) of open, pregrasp, grasp, uniform over all that sum to one."""
    return rng.dirichlet(np.ones(3), size=count)


def blend(hand: Embodiment, weights: np.ndarray) -> np.ndarray:
    """Joints (M, n) of the hand at blends (M, 3) of its open, pregrasp and grasp postures."""
    return weights @ np.stack([hand.postures[name] for name in POSTURES])
