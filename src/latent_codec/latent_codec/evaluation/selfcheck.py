"""Whether the measures measure anything: each must tell a trained space from the same networks untrained.

Untrained networks squeeze all poses into nearly one. Errors are large then, but what looks at smoothness alone is
small: such columns mean something only beside the others, and they are expected to rise with training. Continuity
relative to the latent's own spread cannot tell: untrained networks may pass noise on just as trained ones do.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from latent_codec.evaluation.table5 import COLUMNS

Move = Literal["falls", "rises", "differs"]

MOVES: dict[str, Move] = {
    "joint_rmse_rad": "falls",
    "tip_rmse_mm": "falls",
    "tip_error_mm": "falls",
    "pinch_direction_deg": "falls",
    "pinch_distance_mm": "falls",
    "random_direction_deg": "falls",
    "random_distance_mm": "falls",
    "nearest_direction_deg": "falls",
    "nearest_distance_mm": "falls",
    "reach_direction_deg": "falls",
    "reach_distance_mm": "falls",
    "excess_random_direction_deg": "falls",
    "excess_random_distance_mm": "falls",
    "continuity_joint_rad": "differs",
    "continuity_tip_mm": "differs",
    "tip_acceleration_mm": "differs",
    "tip_jerk_mm": "differs",
    "gripper_opening_correlation": "rises",
}
# Of spaces that are trained to be shared; neither paper's moves these.
SHARED_MOVES: dict[str, Move] = {
    "path_direction_deg": "falls",
    "path_distance_mm": "falls",
    "reencoding_std": "falls",
    "retrieval_top1": "rises",
    "recall_top1": "rises",
    "probe_linear": "falls",
}
MARGIN = 0.1


class SelfCheckError(AssertionError):
    """A metric that cannot tell a trained space from an untrained one."""


def self_check(trained: Mapping[str, float], untrained: Mapping[str, float], *, shared: bool = False) -> None:
    """Compare two means of `measure_space`; raises SelfCheckError that names each metric that fails.

    A metric passes that moves by a tenth of the larger value in the direction that `MOVES` gives it. Metrics that one
    does not have (no gripper, no oracle) are not asked for, the ten columns are.
    """
    moves = MOVES | (SHARED_MOVES if shared else {})
    failed = [
        _text(name, trained[name], untrained[name], move)
        for name, move in moves.items()
        if name in trained and name in untrained and not _moved(trained[name], untrained[name], move)
    ]
    missing = [f"{name}: found none, expected a value" for name in COLUMNS if name not in trained]
    if failed or missing:
        raise SelfCheckError("; ".join(missing + failed))


def _moved(trained: float, untrained: float, move: Move) -> bool:
    needed = MARGIN * max(abs(trained), abs(untrained))
    change = trained - untrained
    return {"falls": change < -needed, "rises": change > needed, "differs": abs(change) > needed}[move]


def _text(name: str, trained: float, untrained: float, move: Move) -> str:
    return f"{name}: found {trained:.4g} trained and {untrained:.4g} untrained, expected that it {move}"
