"""Demonstrations in memory: images as they are, joint positions and commands as latent vectors."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import numpy as np

from contracts.image_contract import Framing


@dataclass(frozen=True)
class Demonstrations:
    """Frames of all episodes, one after the other.

    images (F, h, w, 3) uint8; state and action (F, 2 * axes) float32, left then right, in raw latent units: where
    the robot was, and the target in force, at each frame. episode (F,) is the frame's episode, last (F,) the index of
    that episode's last frame; pair (E,) numbers the pair of hands of each episode, named in `pairs`. framing is how the
    images were made from the camera's.
    """

    images: np.ndarray
    state: np.ndarray
    action: np.ndarray
    episode: np.ndarray
    last: np.ndarray
    pair: np.ndarray
    pairs: tuple[str, ...]
    period_s: float
    axes: tuple[str, ...]
    latent_space: str
    digest: str
    framing: Framing = field(default_factory=Framing)

    @property
    def dims(self) -> int:
        """Length of a state or action: the axes of both sides."""
        return self.state.shape[1]

    def chunks(self, frames: np.ndarray, horizon: int) -> np.ndarray:
        """Actions (B, horizon, dims) that follow frames (B,): point i is i + 1 frames later, or the episode's last."""
        return self.ahead(frames, np.arange(1, horizon + 1))

    def ahead(self, frames: np.ndarray, points: np.ndarray) -> np.ndarray:
        """Actions (B, P, dims) so many frames (P,) after frames (B,), or the episode's last."""
        later = frames[:, None] + points
        return self.action[np.minimum(later, self.last[frames][:, None])]


def digest(*arrays: np.ndarray) -> str:
    """Hash of the content of arrays."""
    total = hashlib.sha256()
    for array in arrays:
        total.update(np.ascontiguousarray(array).data)
    return total.hexdigest()


def split(data: Demonstrations, holdout: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Episodes for training and for validation: of each pair of hands the same fraction, at least one if it has two."""
    rng = np.random.default_rng(seed)
    training, validation = [], []
    for pair in range(len(data.pairs)):
        episodes = rng.permutation(np.flatnonzero(data.pair == pair))
        held = min(max(1, round(holdout * len(episodes))), len(episodes) - 1)
        validation.extend(episodes[:held])
        training.extend(episodes[held:])
    return np.sort(np.array(training, dtype=int)), np.sort(np.array(validation, dtype=int))
