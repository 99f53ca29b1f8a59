"""Arrays that are dear to compute, kept in .npz files whose names say from what."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

_UNREADABLE = (OSError, ValueError, EOFError, KeyError, AttributeError, TypeError, zipfile.BadZipFile)


def load(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, np.ndarray] | None:
    """The arrays of a file; None where it does not hold finite arrays of just these shapes and should be made again."""
    try:
        with np.load(path, allow_pickle=False) as content:
            arrays = {name: content[name] for name in shapes}
        sound = all(arrays[name].shape == shape and np.isfinite(arrays[name]).all() for name, shape in shapes.items())
    except _UNREADABLE:
        return None
    return arrays if sound else None


def save(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write the arrays so that a reader finds the whole file or none; makes the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part.npz")
    np.savez(part, **arrays)
    part.replace(path)
