"""How likely a latent is under a decoder's training data: a Gaussian mixture, scored in numpy in microseconds.

The score is a log likelihood ratio (Neyman and Pearson, 1933): the mixture against a background, which is the largest
of the Gaussian with the mixture's mean and covariance, that Gaussian two and four times as wide, and a constant.
The density alone would be lowest at the rim of the valid latents and would accept all that is near their mean; the
ratio measures whether a latent lies on the thin sheets that valid latents form, wherever they are.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from contracts.arrays import parse_arrays
from contracts.bundle import BundleError

ARRAYS = ("weights", "means", "covariances")
MAX_BYTES = 4 << 20  # of the file, and of its arrays together
WIDTHS = np.array([1.0, 2.0, 4.0])  # of the background's Gaussians, in its standard deviations
FLOOR_WIDTH = 8.0  # the background is nowhere less than what the widest Gaussian is this many deviations away
FAR = 1e4  # standard deviations beyond which all is equally far
ROWS = 256  # latents at a time, to stay in the cache


class Density:
    """K Gaussians in N dimensions: `weights` (K,), `means` (K, N), `covariances` (K, N, N), in units of the latent."""

    def __init__(self, weights: np.ndarray, means: np.ndarray, covariances: np.ndarray) -> None:
        """Precompute what scoring needs.

        Args:
            weights: (K,), above 0, sum 1.
            means: (K, N).
            covariances: (K, N, N).

        Raises:
            LinAlgError: A covariance is not positive definite.
        """
        self.weights, self.means, self.covariances = (np.array(a, np.float32) for a in (weights, means, covariances))
        weights, means, covariances = (a.astype(float) for a in (self.weights, self.means, self.covariances))
        self.mean = weights @ means
        offset = means - self.mean
        spread = np.einsum("k,kij->ij", weights, covariances) + (weights[:, None] * offset).T @ offset
        self._limit = FAR * np.sqrt(np.diag(spread))
        whiten, volume = _whitening(np.concatenate([covariances, spread[None]]))
        size = means.shape[1]
        self._whiten = np.ascontiguousarray(whiten.transpose(1, 0, 2).reshape(size, -1), np.float32)
        places = np.concatenate([offset, np.zeros((1, size))])
        self._places = np.einsum("ki,kij->kj", places, whiten).ravel().astype(np.float32)
        self._inside = np.log(weights) + volume[:-1]
        self._outside = volume[-1] - size * np.log(WIDTHS)
        self._floor = self._outside[-1] - size * FLOOR_WIDTH**2 / (2 * WIDTHS[-1] ** 2)
        self._slopes = 0.5 / WIDTHS**2
        self._ones = np.ones(size, np.float32)

    @property
    def latent_dim(self) -> int:
        """N, the dimensions of a latent."""
        return self.means.shape[1]

    def score(self, latents: np.ndarray) -> np.ndarray:
        """Return the scores (B,) of latents (B, N): finite, higher is likelier.

        Raises:
            ValueError: Latents of another shape, or not finite.
        """
        latents = np.asarray(latents, dtype=float)
        if latents.ndim != 2 or latents.shape[1] != self.latent_dim:
            raise ValueError(f"latents: found shape {latents.shape}, expected (B, {self.latent_dim})")
        if not np.isfinite(latents).all():
            raise ValueError("latents: found values that are not finite, expected finite values")
        if len(latents) <= ROWS:
            return self._score(latents)
        return np.concatenate([self._score(latents[row : row + ROWS]) for row in range(0, len(latents), ROWS)])

    def _score(self, latents: np.ndarray) -> np.ndarray:
        away = np.minimum(np.maximum(latents - self.mean, -self._limit), self._limit).astype(np.float32)
        white = away @ self._whiten
        white -= self._places
        white *= white
        squares = (white.reshape(-1, self.latent_dim) @ self._ones).reshape(len(away), -1)
        inside = self._inside - 0.5 * squares[:, :-1]
        outside = (self._outside - squares[:, -1:] * self._slopes).max(axis=1)
        top = inside.max(axis=1)
        inside -= top[:, None]
        return top + np.log(np.exp(inside).sum(axis=1)) - np.maximum(outside, self._floor)

    def to_bytes(self) -> bytes:
        """Return an .npz file of three float32 arrays; equal densities give equal bytes."""
        buffer = io.BytesIO()
        np.savez(buffer, **{name: getattr(self, name) for name in ARRAYS})
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes, path: Path | str, latent_dim: int) -> Density:
        """Return the density that `to_bytes` wrote.

        Args:
            content: The .npz file.
            path: Where it is from, for messages.
            latent_dim: N that it must have.

        Raises:
            BundleError: It is not a density, or larger than MAX_BYTES, packed or unpacked.
        """
        found = parse_arrays(content, path, MAX_BYTES, BundleError)
        if set(found) != set(ARRAYS):
            raise BundleError(path, "arrays", ", ".join(sorted(found)), ", ".join(sorted(ARRAYS)))
        weights, means, covariances = arrays = [found[name] for name in ARRAYS]
        size = weights.shape[0] if weights.ndim == 1 else 0
        shapes = (size,), (size, latent_dim), (size, latent_dim, latent_dim)
        for name, array, shape in zip(ARRAYS, arrays, shapes, strict=True):
            if array.shape != shape or array.dtype != np.float32 or not size:
                raise BundleError(path, name, f"{array.dtype} {array.shape}", f"float32 {shape}, K at least 1")
            if not np.isfinite(array).all():
                raise BundleError(path, name, "values that are not finite", "finite values")
        if weights.min() <= 0 or abs(float(weights.sum()) - 1) > 1e-3:
            raise BundleError(path, "weights", f"sum {weights.sum()}", "values above 0 that sum to 1")
        try:
            if np.array_equal(covariances, covariances.transpose(0, 2, 1)):
                return cls(weights, means, covariances)
        except np.linalg.LinAlgError:
            pass
        raise BundleError(
            path, "covariances", "a matrix that is not a covariance", "symmetric, positive definite matrices"
        )


def _whitening(covariances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Matrices (K, N, N) that whiten rows by multiplication from the right, and log normalisers (K,)."""
    whiten = np.linalg.inv(np.linalg.cholesky(covariances)).transpose(0, 2, 1)
    diagonal = np.diagonal(whiten, axis1=1, axis2=2)
    return whiten, np.log(diagonal).sum(1) - 0.5 * covariances.shape[1] * np.log(2 * np.pi)
