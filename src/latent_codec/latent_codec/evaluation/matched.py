"""Matched poses: a random pose of one hand and the best that every other hand can do for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from latent_codec.evaluation.encoded import Encoded
from latent_codec.evaluation.oracle import Best, Oracle

Bests = Mapping[tuple[str, str], Best]


@dataclass(frozen=True, eq=False)
class Matched:
    """The same R poses on H hands, a share of them from each hand.

    Attributes:
        hands: their names, in the order of `latents`.
        latents: (H, R, N), each hand's encoding of its own version of pose r.
        reachable: (H, R), whether hand h matches the pose within 2 degrees and 2 mm; true for the hand it comes from.
    """

    hands: tuple[str, ...]
    latents: np.ndarray
    reachable: np.ndarray


def best_of(encoded: Encoded, oracle: Oracle) -> dict[tuple[str, str], Best]:
    """The oracle of all pairs. Raises OracleError."""
    return {pair: oracle.best(encoded.sets[pair[0]], encoded.hand(pair[1])) for pair in encoded.pairs()}


def match(encoded: Encoded, bests: Bests, hands: Sequence[str]) -> Matched:
    """The random poses of each of `hands`, matched on all of them."""
    latents, reachable = [], []
    for hand in hands:
        parts = [_of(encoded, bests, source, hand) for source in hands]
        latents.append(np.concatenate([part[0] for part in parts]))
        reachable.append(np.concatenate([part[1] for part in parts]))
    return Matched(tuple(hands), np.stack(latents), np.stack(reachable))


def _of(encoded: Encoded, bests: Bests, source: str, hand: str) -> tuple[np.ndarray, np.ndarray]:
    if source == hand:
        return encoded.latents[hand], np.ones(len(encoded.latents[hand]), dtype=bool)
    best = bests[source, hand]
    return encoded.space.encode(hand, best.joints), best.reachable_rows
