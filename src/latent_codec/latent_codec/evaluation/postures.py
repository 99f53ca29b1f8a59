"""How well a space keeps each hand's own postures, family by family: means hide what a hand does most.

`tip_error_mm`, `tip_error_p95_mm`, `tip_error_p99_mm`: distance of a fingertip from where it was, mean, 95 % and 99 %;
`refused`: the share of postures whose latents the hand's own decoder refuses.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from rich.table import Table

import embodiments
from embodiments import Embodiment
from latent_codec.codec import Codec
from latent_codec.training.data import families, poses

Row = dict[str, float]
SEED = 515_151  # not that of the training or the density
COUNT = 2000


def by_family(codec: Codec, count: int = COUNT, cache: Path | None = None) -> dict[str, dict[str, Row]]:
    """The figures of each family of postures, by hand.

    Args:
        codec: The space.
        count: Postures of a family and hand.
        cache: Folder for postures that took long to compute; None keeps nothing.
    """
    robots = [embodiments.load(name) for name in codec.hands]
    drawn = families.draw(embodiments.load("human"), robots, count, SEED, cache)
    return {
        robot.name: {family: _row(codec, robot, drawn[family][robot.name]) for family in families.of(robot)}
        for robot in robots
    }


def _row(codec: Codec, hand: Embodiment, joints: np.ndarray) -> Row:
    joints = joints.astype(float)
    latents = codec.encode(hand.name, joints)
    error = tip_errors(codec, hand, joints, latents)
    row = {"tip_error_mm": float(error.mean())}
    row |= {f"tip_error_p{share}_mm": float(np.percentile(error, share)) for share in (95, 99)}
    return row | {"refused": float((codec.scores(hand.name, latents) < codec.threshold(hand.name)).mean())}


def tip_errors(codec: Codec, hand: Embodiment, joints: np.ndarray, latents: np.ndarray) -> np.ndarray:
    """Distances (M, F) in mm of the fingertips that `latents` (M, N) decode to from those at `joints` (M, n)."""
    decoded = codec.decode_anything(hand.name, latents)
    return 1e3 * np.linalg.norm(poses.grasp_tips(hand, decoded) - poses.grasp_tips(hand, joints), axis=-1)


def table(name: str, found: dict[str, dict[str, Row]]) -> Table:
    """Mean and 95 % in mm and what is refused in %, one row a family."""
    result = Table("", title=f"{name}: own fingertips, mean / 95 % mm, and refused %", title_justify="left")
    for hand in found:
        result.add_column(hand, justify="right")
    for family in families.ALL:
        result.add_row(family.replace("_", " "), *(_cell(rows.get(family)) for rows in found.values()))
    return result


def _cell(row: Row | None) -> str:
    if row is None:
        return "-"
    return f"{row['tip_error_mm']:.1f} / {row['tip_error_p95_mm']:.1f}, {100 * row['refused']:.1f}"
