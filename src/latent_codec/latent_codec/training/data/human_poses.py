"""Poses of the human hand to train on: from files of a hand tracker, or made up; any number of sources with shares.

A file (.npz) holds `landmarks` (M, 21, 3) in m of right hands of any size in any pose, or `joints` (M, n) in rad of the
human embodiment. What is made up follows the prior of `human_prior`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from contracts.arrays import read_arrays
from embodiments.landmarks import LANDMARKS, fit
from embodiments.registry import Embodiment
from latent_codec.training.config import ConfigError, Strict
from latent_codec.training.data.human_prior import Families, sample

MAX_BYTES = 4 << 30  # of a file, and of its arrays
PALM_LENGTHS = (0.05, 0.14)  # m, wrist to middle MCP, from a child's hand to a very large one
WORST_RESIDUAL = 0.015  # m, median over a file; what is worse is no right hand in the order of LANDMARKS
_SLACK = 1e-3  # rad that joints of a file may be beyond the limits


class Synthetic(Strict):
    """Poses drawn from the prior. `families`: the shares of its families of poses."""

    kind: Literal["synthetic"] = "synthetic"
    share: float = Field(default=1.0, gt=0)
    families: Families = Families()


class PoseFile(Strict):
    """Poses of a file, each at most once where it holds enough. A relative path starts at the working directory."""

    kind: Literal["file"]
    share: float = Field(default=1.0, gt=0)
    path: Path


Source = Annotated[Synthetic | PoseFile, Field(discriminator="kind")]


def human_poses(hand: Embodiment, sources: Sequence[Source], count: int, seed: int) -> np.ndarray:
    """Joints (count, n) in rad, within limits, of the human `hand`, mixed from `sources`; the same for the same seed.

    Raises ConfigError for a file that cannot be used, ValueError for no source or a negative count.
    """
    if not sources or count < 0:
        raise ValueError(f"human poses: found {len(sources)} sources and count {count}, expected some and 0 or more")
    rng = np.random.default_rng(seed)
    parts = []
    for source, part in zip(sources, split(count, [source.share for source in sources]), strict=True):
        if isinstance(source, Synthetic):
            parts.append(sample(hand, part, source.families, rng))
        else:
            parts.append(_drawn(read_file(hand, source.path), part, rng))
    return rng.permutation(np.concatenate(parts))


def read_file(hand: Embodiment, path: Path) -> np.ndarray:
    """Joints (M, n) of a pose file, within limits. Raises ConfigError: file, field, found, expected."""
    arrays = read_arrays(path, MAX_BYTES, ConfigError)
    names = [name for name in ("landmarks", "joints") if name in arrays]
    if len(names) != 1:
        raise ConfigError(path, "arrays", sorted(arrays), "either 'landmarks' or 'joints'")
    values = arrays[names[0]]
    shape = (len(LANDMARKS), 3) if names[0] == "landmarks" else (len(hand.joints),)
    if values.shape[1:] != shape or len(values) == 0:
        raise ConfigError(path, names[0], f"shape {values.shape}", f"(M, {', '.join(map(str, shape))})")
    if values.dtype.kind not in "fiu" or not np.isfinite(values).all():
        raise ConfigError(path, names[0], "values that are no finite numbers", "finite numbers")
    values = values.astype(float)
    return _from_landmarks(hand, values, path) if names[0] == "landmarks" else _from_joints(hand, values, path)


def split(count: int, shares: Sequence[float]) -> list[int]:
    """`count` in whole parts in the proportion of `shares`, which need not sum to one."""
    edges = np.round(np.cumsum([0.0, *shares]) / np.sum(shares) * count).astype(int)
    return np.diff(edges).tolist()


def _from_joints(hand: Embodiment, joints: np.ndarray, path: Path) -> np.ndarray:
    outside = np.argwhere((joints < hand.lower - _SLACK) | (joints > hand.upper + _SLACK))
    if len(outside):
        pose, joint = outside[0]
        limits = f"{hand.lower[joint]:.3g} to {hand.upper[joint]:.3g} rad of {hand.joints[joint]}"
        raise ConfigError(path, f"joints of pose {pose}", f"{joints[pose, joint]:.4g}", limits)
    return np.clip(joints, hand.lower, hand.upper)


def _from_landmarks(hand: Embodiment, points: np.ndarray, path: Path) -> np.ndarray:
    length = np.linalg.norm(points[:, LANDMARKS.index("middle_mcp")] - points[:, 0], axis=-1)
    wrong = (length < PALM_LENGTHS[0]) | (length > PALM_LENGTHS[1])
    if wrong.any():
        pose, bounds = int(np.argmax(wrong)), f"{PALM_LENGTHS[0]} to {PALM_LENGTHS[1]} m from wrist to middle MCP"
        raise ConfigError(path, f"landmarks of pose {pose}", f"{length[pose]:.4g}", bounds)
    try:
        joints, residual = fit(hand, points)
    except ValueError as error:
        raise ConfigError(path, "landmarks", str(error), "21 points of a hand in each pose") from None
    if np.median(residual) > WORST_RESIDUAL:
        found = f"{1e3 * np.median(residual):.0f} mm from a hand's"
        raise ConfigError(path, "landmarks", found, "right hands, the wrist first, then thumb to little")
    return joints


def _drawn(joints: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    return joints[rng.choice(len(joints), size=count, replace=count > len(joints))]
