"""A small random search that narrows down: what postures and frames of a new hand are found with."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

POPULATION = 384
ELITE = 32
SPREAD = 0.35  # first standard deviation, as a share of the range
FLOOR = 0.01  # least spread kept while narrowing, as a share of the range, so that the search does not freeze early


def minimise(
    cost: Callable[[np.ndarray], np.ndarray],
    lower: np.ndarray,
    upper: np.ndarray,
    start: np.ndarray,
    *,
    rounds: int = 60,
    seed: int = 0,
) -> tuple[np.ndarray, float]:
    """Return the best point (n,) in [lower, upper] and its cost; `cost` maps points (M, n) to (M,).

    The cross-entropy method: draw around a mean, keep the best, move mean and spread to those, which die down with the
    rounds. Where lower equals upper a value stays. The start is among the candidates, so the result is never worse.
    """
    rng = np.random.default_rng(seed)
    extent = upper - lower
    mean, deviation = np.clip(start, lower, upper), SPREAD * extent
    best, best_cost = mean, float(cost(mean[None])[0])
    for index in range(rounds):
        floor = FLOOR * extent * (1 - index / rounds) ** 2
        points = np.clip(
            mean + np.maximum(deviation, floor) * rng.standard_normal((POPULATION, len(mean))), lower, upper
        )
        points[0] = best
        costs = cost(points)
        order = np.argsort(costs, kind="stable")[:ELITE]
        elite = points[order]
        mean, deviation = 0.3 * mean + 0.7 * elite.mean(0), 0.3 * deviation + 0.7 * elite.std(0)
        if costs[order[0]] < best_cost:
            best, best_cost = elite[0], float(costs[order[0]])
    return best, best_cost
