"""Random training batches: equal weight for each pair of hands, mirrored, mixed, shifted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from contracts.axes import WRIST_SIZE
from latent_policy_node.demonstrations import Demonstrations
from latent_policy_node.mirror import mirror_image, mirror_vectors
from latent_policy_node.training.config import AugmentConfig


@dataclass(frozen=True)
class Batch:
    """A batch in raw units.

    Attributes:
        images: (B, h, w, 3) uint8.
        state: (B, 2 * axes).
        chunk: (B, points, 2 * axes).
        prefix: (B, P, 2 * axes), the action prefix.
        prefix_length: (B,), how many points of it count.
    """

    images: np.ndarray
    state: np.ndarray
    chunk: np.ndarray
    prefix: np.ndarray
    prefix_length: np.ndarray


class Sampler:
    """Draws augmented batches from the frames of the given episodes.

    `points` are the frames ahead to predict, of which up to the first `prefix` are given as the action prefix. With
    one, the state of a hand is what was commanded; without, what was measured (see PolicyNetwork). Of each batch,
    `rows` are returned; what is drawn does not depend on them.
    """

    def __init__(
        self,
        data: Demonstrations,
        episodes: np.ndarray,
        points: Sequence[int],
        augment: AugmentConfig,
        seed: int,
        prefix: int = 0,
        rows: slice = slice(None),
    ) -> None:
        self.rows = rows
        self.data, self.points, self.augment, self.prefix = data, np.asarray(points), augment, prefix
        self.rng = np.random.default_rng(seed)
        chosen = np.isin(data.episode, episodes)
        pair = data.pair[data.episode]
        self._frames = [np.flatnonzero(chosen & (pair == p)) for p in np.unique(pair[chosen])]

    def frames(self, count: int) -> np.ndarray:
        """Random frames (count,): a pair of hands first, then any of its frames."""
        pairs = self.rng.integers(len(self._frames), size=count)
        return np.array([self.rng.choice(self._frames[pair]) for pair in pairs])

    def batch(self, size: int) -> Batch:
        """The next batch of `size`, or what of it is in `rows`."""
        own, other = self.frames(size), self.frames(size)
        mixed = self.rng.random(size) < self.augment.side_mix
        other = np.where(mixed, other, own)
        mirrored = self.rng.random(size) < self.augment.mirror
        state, commanded = (self._join(data[own], data[other]) for data in (self.data.state, self.data.action))
        chunk = self._join(self.data.ahead(own, self.points), self.data.ahead(other, self.points))
        for vectors in (state, commanded, chunk):
            vectors[mirrored] = mirror_vectors(vectors[mirrored])
        prefix_length, off = self.rng.integers(self.prefix + 1, size=size), self._displacement(chunk)
        given = self._hand & (prefix_length[:, None] > 0)
        state = np.where(given, commanded + off, state + self._noise(state.shape))
        prefix, most = chunk[:, : self.prefix] + off[:, None], self.augment.shift_px
        moves = self.rng.integers(0, 2 * most + 1, size=(size, 2)) if most else np.zeros((size, 2), int)
        images = self._images(*(values[self.rows] for values in (own, other, mirrored, moves)))
        small = (values[self.rows] for values in (state.astype(np.float32), chunk, prefix, prefix_length))
        return Batch(images, *small)

    @staticmethod
    def _join(own: np.ndarray, other: np.ndarray) -> np.ndarray:
        """The left side of `own` with the right side of `other`."""
        axes = own.shape[-1] // 2
        return np.concatenate([own[..., :axes], other[..., axes:]], axis=-1)

    def _images(self, own: np.ndarray, other: np.ndarray, mirrored: np.ndarray, moves: np.ndarray) -> np.ndarray:
        if self.augment.image_left == "right":
            own, other = other, own
        half = self.data.images.shape[2] // 2
        images = np.empty((len(own), *self.data.images.shape[1:]), np.uint8)
        images[:, :, :half], images[:, :, half:] = self.data.images[own, :, :half], self.data.images[other, :, half:]
        images[mirrored] = mirror_image(images[mirrored])
        return shift(images, self.augment.shift_px, moves)

    def _displacement(self, chunk: np.ndarray) -> np.ndarray:
        """By how much (B, 2 * axes) the action prefix is off.

        What follows has to lead back to the demonstration, not go on beside it. Half of the hands are off towards what
        a hand does elsewhere; else one that has half opened by mistake stays so.
        """
        size, first = len(chunk), chunk[:, 0]
        share = self.rng.uniform(0, self.augment.plan_other, (size, 2)) * (self.rng.random((size, 2)) < 0.5)
        elsewhere = first[self.rng.permutation(size)] - first
        towards = np.repeat(share, first.shape[1] // 2, axis=1) * elsewhere
        return self._noise(first.shape) + np.where(self._hand, towards, 0)

    @property
    def _hand(self) -> np.ndarray:
        """Which of the (2 * axes) numbers are of hands."""
        return np.arange(self.data.dims) % (self.data.dims // 2) >= WRIST_SIZE

    def _noise(self, shape: tuple[int, ...]) -> np.ndarray:
        """Normal noise (B, 2 * axes) of a state's size."""
        axes = shape[-1] // 2
        side = np.full(axes, self.augment.state_latent)
        side[:3], side[3:9] = self.augment.state_position_m, self.augment.state_rotation
        return np.tile(side, 2) * self.rng.standard_normal(shape)


def shift(images: np.ndarray, most: int, moves: np.ndarray) -> np.ndarray:
    """Images (B, h, w, 3) each moved by `moves` (B, 2) of 0 .. 2 * `most` pixels; the border is repeated."""
    if most == 0:
        return images
    height, width = images.shape[1:3]
    padded = np.pad(images, ((0, 0), (most, most), (most, most), (0, 0)), mode="edge")
    return np.stack([p[y : y + height, x : x + width] for p, (y, x) in zip(padded, moves, strict=True)])
