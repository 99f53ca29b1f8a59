"""All figures of one space: by hand, by ordered pair of hands, and means."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

import embodiments
from embodiments.registry import Embodiment
from latent_codec.evaluation import sharedness, table5
from latent_codec.evaluation.encoded import Encoded, encode, hand_pairs
from latent_codec.evaluation.oracle import Best, Oracle
from latent_codec.evaluation.sharedness import Bests, best_of, match
from latent_codec.evaluation.space import LatentSpace
from latent_codec.evaluation.vectors import SEED, Errors, PoseSet, pose_set

Row = dict[str, float]
Report = dict[str, Row | dict[str, Row]]
COUNT = 4000


def measure_space(space: LatentSpace, count: int = COUNT, seed: int = SEED, oracle: Oracle | None = None) -> Report:
    """`{"mean": {metric: value}, "hands": {hand: {...}}, "pairs": {"source>target": {...}}}` of `space`.

    Without an `oracle`, what needs one is left out. Means are over hands and pairs without grippers; the means of
    pairs with a gripper follow as `gripper_*`.
    """
    encoded = encode(space, count, seed)
    bests = best_of(encoded, oracle) if oracle is not None else {}
    hands = {name: table5.own(encoded, name) for name in encoded.sets}
    pairs = {pair: _known(_pair(encoded, pair, bests.get(pair))) for pair in encoded.pairs()}
    shared = _probes(encoded, bests)
    return {
        "mean": _means(encoded, hands, pairs) | shared,
        "hands": hands,
        "pairs": {f"{source}>{target}": row for (source, target), row in pairs.items()},
    }


def _pair(encoded: Encoded, pair: tuple[str, str], best: Best | None) -> Row:
    source, target = pair
    row = table5.across(encoded, source, target)
    if best is not None:
        _, errors = table5.cross_errors(encoded, source, target)
        row |= _against(errors, best, encoded.sets[source].pinch)
    if encoded.is_gripper(target):
        return row | sharedness.opening(encoded, source, target)
    if encoded.is_gripper(source):
        return row
    row |= sharedness.path(encoded, source, target) | sharedness.reencoding(encoded, source, target, best)
    return row | (sharedness.retrieval(encoded, source, best) if best is not None else {})


def _known(row: Row) -> Row:
    return {name: value for name, value in row.items() if not np.isnan(value)}


def _against(errors: Errors, best: Best, pinch: np.ndarray) -> Row:
    """What the space loses against the oracle, and what it makes of the cases that the oracle can do."""
    row = oracle_row(best)
    found = table5.summary(errors, pinch)
    row |= {f"excess_{name}": value - row[f"oracle_{name}"] for name, value in found.items()}
    return row | table5.named("reach", errors.mean(best.reachable))


def oracle_row(best: Best) -> Row:
    """What the target does at best, and the share of cases that it can do."""
    row = {f"oracle_{name}": value for name, value in table5.summary(best.errors, best.source.pinch).items()}
    return (
        row
        | table5.named("oracle_reach", best.errors.mean(best.reachable))
        | {
            "reach_share": float(best.reachable.mean()),
            "reach_pose_share": float(best.reachable_rows.mean()),
        }
    )


def _probes(encoded: Encoded, bests: Bests) -> Row:
    hands = encoded.hands
    if len(hands) < 2:
        return {}
    unmatched = sharedness.unmatched_accuracy(np.stack([encoded.latents[hand] for hand in hands]), encoded.seed)
    return unmatched | (sharedness.probe_accuracies(match(encoded, bests, hands), encoded.seed) if bests else {})


def _means(encoded: Encoded, hands: Mapping[str, Row], pairs: Mapping[tuple[str, str], Row]) -> Row:
    plain = [row for pair, row in pairs.items() if not any(map(encoded.is_gripper, pair))]
    mixed = [row for pair, row in pairs.items() if any(map(encoded.is_gripper, pair))]
    result = mean_of(hands[name] for name in encoded.hands) | mean_of(plain)
    result = {name: result[name] for name in table5.COLUMNS if name in result} | result
    return result | {f"gripper_{name}": value for name, value in mean_of(mixed).items()}


def mean_of(rows: Iterable[Row]) -> Row:
    """Mean of each metric over the rows that have it."""
    values: dict[str, list[float]] = {}
    for row in rows:
        for name, value in row.items():
            values.setdefault(name, []).append(value)
    return {name: float(np.mean(found)) for name, found in values.items()}


def pairs_to_solve(spaces: Iterable[LatentSpace], count: int, seed: int = SEED) -> list[tuple[PoseSet, Embodiment]]:
    """Sources and targets of all pairs of hands that one of `spaces` has, each once."""
    found: dict[tuple[str, str], tuple[PoseSet, Embodiment]] = {}
    for space in spaces:
        hands = [embodiments.load(name) for name in space.hands]
        for source, target in hand_pairs(hands):
            key = source.name, target.name
            found[key] = found.get(key) or (pose_set(source, count, seed), target)
    return list(found.values())


def oracle_report(spaces: Iterable[LatentSpace], count: int, oracle: Oracle) -> Report:
    """What the hands can do at best: `mean` (over pairs without grippers) and `pairs`, as in `measure_space`."""
    solved = [oracle.best(source, target) for source, target in pairs_to_solve(spaces, count, oracle.seed)]
    rows = {(best.source.hand, best.target): _known(oracle_row(best)) for best in solved}
    plain = [row for pair, row in rows.items() if all(hand.kind != "gripper" for hand in pair)]
    named = {f"{source.name}>{target.name}": _bare(row) for (source, target), row in rows.items()}
    return {"mean": _bare(mean_of(plain)), "pairs": named}


def _bare(row: Row) -> Row:
    return {name.removeprefix("oracle_"): value for name, value in row.items()}
