"""Whether a latent means the same whichever hand it comes from. Neither paper measures it.

- `probe_linear`, `probe_mlp`: share of hands that a classifier names from z, on matched poses it has not seen (a fifth
  of the poses; no pose is in both parts). `*_reachable`: on the poses that every hand matches within 2 degrees and
  2 mm; where a hand cannot do the pose, what it does instead tells which hand it is. `probe_large`: the same of a
  larger network, which sees more poses. `probe_linear_unmatched`: on random poses of each hand, which differ by what
  hands can do. Chance is 1 / number of hands.
- `path_direction_deg`, `path_distance_mm`: D_u(E_t(D_t(z))) against D_u(z), z = E_s(q), over triples of hands.
- `reencoding_std`: RMS of E_t(D_t(z)) - z per dimension, in the latent's RMS standard deviations;
  `reencoding_reachable_std`: over the poses whose every finger the target can match.
- `retrieval_top1`: of 1000 matched poses, the share whose nearest latent of the other hand is that of the same pose;
  `retrieval_reachable_top1`: for the queries that the hand can match.
- `recall_top1`, `recall_reachable_top1`: the same for 1000 poses that the other hand decoded and encoded again.
- `opening_correlation`: Spearman's rank correlation of a gripper's opening with the source's distance from the
  thumb to the nearest finger.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from latent_codec.evaluation import probes
from latent_codec.evaluation.encoded import Encoded
from latent_codec.evaluation.oracle import Best, Oracle
from latent_codec.evaluation.vectors import common_fingers, compare, thumb_vectors
from latent_codec.training.data import poses

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
    """The oracle of all pairs."""
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


GALLERY = 1000
PROBE_LATENTS = 16000
LARGE_LATENTS = 80000
TEST_SHARE = 0.2
FEWEST = 100


def probe_accuracies(matched: Matched, seed: int) -> dict[str, float]:
    """What the probes reach, on all matched poses and on those that every hand can do, where there are 100 of them."""
    rows = poses.generator(seed, "probe").permutation(matched.latents.shape[1])
    result = {}
    for suffix, chosen in (("", rows), ("_reachable", rows[matched.reachable[:, rows].all(axis=0)])):
        for name, probe in (("linear", probes.linear), ("mlp", probes.mlp)):
            result[f"probe_{name}{suffix}"] = _accuracy(probe, matched.latents, chosen, PROBE_LATENTS)
    result["probe_large"] = _accuracy(probes.large, matched.latents, rows, LARGE_LATENTS)
    return {name: value for name, value in result.items() if value is not None}


def unmatched_accuracy(latents: np.ndarray, seed: int) -> dict[str, float]:
    """What the linear probe reaches on latents (H, M, N) of random poses of each hand."""
    rows = poses.generator(seed, "probe").permutation(latents.shape[1])
    found = _accuracy(probes.linear, latents, rows, PROBE_LATENTS)
    return {} if found is None else {"probe_linear_unmatched": found}


def _accuracy(probe: probes.Probe, latents: np.ndarray, rows: np.ndarray, most: int) -> float | None:
    """On some of the poses `rows`, `most` latents in all; None where there are fewer than 100 poses."""
    chosen = rows[: most // len(latents)]
    cut = round(TEST_SHARE * len(chosen))
    return probes.accuracy(probe, latents, chosen[cut:], chosen[:cut]) if len(chosen) >= FEWEST else None


def path(encoded: Encoded, source: str, target: str) -> dict[str, float]:
    """Path consistency over `target`, mean over the hands that are neither source nor target; {} without any."""
    detour = encoded.space.encode(target, encoded.across(source, target))
    rows = []
    for last in encoded.hands:
        if last not in (source, target):
            hand = encoded.hand(last)
            fingers, around = common_fingers(hand), encoded.space.decode(last, detour)
            straight = encoded.across_vectors(source, last, fingers)
            rows.append(compare(straight, thumb_vectors(hand, around, fingers)).mean())
    if not rows:
        return {}
    direction, distance = np.mean(rows, axis=0)
    return {"path_direction_deg": float(direction), "path_distance_mm": float(distance)}


def reencoding(encoded: Encoded, source: str, target: str, best: Best | None) -> dict[str, float]:
    """How far a latent is from what the target's encoder makes of the target's decoded pose, and whether nearest."""
    latent = encoded.latents[source]
    again = encoded.space.encode(target, encoded.across(source, target))
    squared = ((again - latent) / encoded.scale) ** 2
    result = {"reencoding_std": float(np.sqrt(squared.mean()))}
    hits = _nearest(again[:GALLERY], latent[:GALLERY])
    result["recall_top1"] = float(hits.mean())
    if best is not None:
        rows = best.reachable_rows
        result["reencoding_reachable_std"] = _mean_or_nan(squared[rows]) ** 0.5
        result["recall_reachable_top1"] = _mean_or_nan(hits[rows[:GALLERY]])
    return result


def retrieval(encoded: Encoded, source: str, best: Best) -> dict[str, float]:
    """Poses of `source` looked up by the latents of the target's best poses."""
    queries = encoded.space.encode(best.target.name, best.joints[:GALLERY])
    hits = _nearest(queries, encoded.latents[source][:GALLERY])
    chosen = hits[best.reachable_rows[:GALLERY]]
    return {"retrieval_top1": float(hits.mean()), "retrieval_reachable_top1": _mean_or_nan(chosen)}


def _nearest(queries: np.ndarray, gallery: np.ndarray) -> np.ndarray:
    """Whether row k of latents `gallery` (M, N) is the nearest to row k of `queries` (M, N)."""
    distance = (gallery**2).sum(1)[None] - 2 * queries @ gallery.T
    return distance.argmin(axis=1) == np.arange(len(queries))


def _mean_or_nan(values: np.ndarray) -> float:
    return float(values.mean()) if values.size else float("nan")


def opening(encoded: Encoded, source: str, gripper: str) -> dict[str, float]:
    """How a gripper's opening follows the distance of the source's thumb from its nearest finger."""
    widths = [
        np.linalg.norm(thumb_vectors(encoded.hand(name), joints, tuple(encoded.hand(name).tips)[1:]), axis=-1).min(1)
        for name, joints in ((source, encoded.sets[source].joints), (gripper, encoded.across(source, gripper)))
    ]
    return {"opening_correlation": spearman(*widths)}


def spearman(a: np.ndarray, b: np.ndarray) -> float:
    """Rank correlation of two samples (M,), ties sharing their mean rank; 0 where one does not vary."""
    ranks = [rankdata(np.round(values, 9)) for values in (a, b)]
    if any(np.ptp(rank) == 0 for rank in ranks):
        return 0.0
    return float(np.corrcoef(*ranks)[0, 1])
