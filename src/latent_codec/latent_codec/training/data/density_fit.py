"""Fitting a density to a latent space (expectation maximisation in numpy) and choosing what it refuses."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from embodiments import Embodiment
from latent_codec.density import Density
from latent_codec.training.data import latent_samples as samples

SAMPLES = 12_000  # a hand, which 48 components in 32 dimensions need; fewer give fewer components
CHECKS = 12_000
ITERATIONS = 25
# Components cost time at each chunk, in proportion to the entries of their covariances: 16 latents in 50 us.
MOST_ENTRIES, MOST_COMPONENTS, FEWEST_COMPONENTS = 49_152, 192, 16
POINTS_PER_COMPONENT = 5  # at least, and a dimension
SEEDS = 10_000  # latents that the first means are drawn from
FLOOR = 1e-3  # added to variances, in units of the latents' own: a sheet is not thinner than .03 deviations
REFUSED, ACCEPTED = 0.995, 0.996


def fit_for_space(
    encode: samples.Encode,
    robots: Sequence[Embodiment],
    seed: int,
    count: int = SAMPLES,
    cache: Path | None = None,
) -> tuple[Density, dict[str, float]]:
    """A density of what `encode` (hand, joints (B, n) in rad) makes of all `robots`, and the threshold of each hand.

    Hands count alike, however many there are. One density serves all decoders, since any hand's latents may be sent
    to each, so that the thresholds are equal; a hand that is added later may bring its own. `cache`: folder of the
    postures.
    """
    density = fit(samples.pooled(samples.valid(encode, robots, count, seed, cache)), seed)
    threshold = calibrate(density, samples.valid(encode, robots, min(count, CHECKS), seed + 1, cache), seed)
    return density, {robot.name: threshold for robot in robots}


def fit(latents: np.ndarray, seed: int) -> Density:
    """The density of latents (M, N), the same for the same seed."""
    rng = np.random.default_rng(seed)
    mean, scale = latents.mean(0), latents.std(0)
    scale = np.maximum(scale, max(1e-3 * scale.max(), 1e-9))
    points = ((latents - mean) / scale).astype(np.float32)
    shares = _nearest(points, _first_means(points, component_count(*points.shape), rng))
    for _ in range(ITERATIONS):
        weights, means, covariances = _maximise(points, shares)
        shares = _expect(points, weights, means, covariances)
    weights, means, covariances = _maximise(points, shares)
    return Density(weights, mean + means * scale, covariances * np.outer(scale, scale))


def calibrate(density: Density, valid: samples.Latents, seed: int) -> float:
    """The score below which a latent is refused, from valid latents that were not fitted to.

    Half way between what accepts 99.6 % of each hand's in each family of postures and what refuses 99.5 % of each kind
    of wrong latents; where both cannot be had, what accepts.
    """
    rng, every = np.random.default_rng(seed), samples.pooled(valid)
    wrong = [make(every, rng) for make in (samples.shifted, samples.noise, samples.turned)]
    accepts = min(float(np.quantile(density.score(latents), 1 - ACCEPTED)) for latents in valid.values())
    refuses = max(float(np.quantile(density.score(latents), REFUSED)) for latents in wrong)
    return round((accepts + min(refuses, accepts)) / 2, 3)


def component_count(points: int, size: int) -> int:
    """Components for so many latents of `size` dimensions."""
    affordable = min(max(MOST_ENTRIES // size**2, FEWEST_COMPONENTS), MOST_COMPONENTS)
    return max(1, min(affordable, points // (POINTS_PER_COMPONENT * (size + 1))))


def _first_means(points: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Means (count, N) drawn far from each other (k-means++)."""
    points = points[rng.permutation(len(points))[:SEEDS]]
    means = [points[0]]
    distance = np.square(points - means[0]).sum(1)
    while len(means) < count:
        total = distance.sum(dtype=float)
        chances = distance.astype(float) / total if total > 0 else None
        means.append(points[rng.choice(len(points), p=chances)])
        distance = np.minimum(distance, np.square(points - means[-1]).sum(1))
    return np.array(means)


def _nearest(points: np.ndarray, means: np.ndarray) -> np.ndarray:
    """Shares (M, K): each point belongs to the nearest mean."""
    shares = np.zeros((len(points), len(means)), np.float32)
    nearest = (np.square(means).sum(1) - 2 * points @ means.T).argmin(1)
    shares[np.arange(len(points)), nearest] = 1
    return shares


def _maximise(points: np.ndarray, shares: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weights, means, covariances of the components; those that have no more than a dimension's points are dropped."""
    size = points.shape[1]
    mass = shares.sum(0, dtype=float)
    kept = np.flatnonzero(mass > min(size, mass.max() / 2))
    means = (shares[:, kept].T @ points) / mass[kept, None]
    covariances = np.empty((len(kept), size, size))
    for index, (component, mean) in enumerate(zip(kept, means, strict=True)):
        rows = np.flatnonzero(shares[:, component] > 1e-4)
        away, share = points[rows] - mean.astype(np.float32), shares[rows, component, None]
        covariance = (away * share).T @ away / mass[component]
        covariances[index] = (covariance + covariance.T) / 2 + FLOOR * np.eye(size)
    return mass[kept] / mass[kept].sum(), means, covariances


def _expect(points: np.ndarray, weights: np.ndarray, means: np.ndarray, covariances: np.ndarray) -> np.ndarray:
    """Shares (M, K) of the components in each point."""
    whiten = np.linalg.inv(np.linalg.cholesky(covariances)).transpose(0, 2, 1)
    level = np.log(weights) + np.log(np.diagonal(whiten, axis1=1, axis2=2)).sum(1)
    logs = np.empty((len(points), len(weights)), np.float32)
    for index, (mean, matrix) in enumerate(zip(means, whiten, strict=True)):
        white = points @ matrix.astype(np.float32) - (mean @ matrix).astype(np.float32)
        logs[:, index] = level[index] - 0.5 * np.einsum("ij,ij->i", white, white)
    logs -= logs.max(axis=1, keepdims=True)
    np.exp(logs, out=logs)
    logs /= logs.sum(axis=1, keepdims=True)
    return logs
