"""Arrays that take long to compute, kept in .safetensors files whose names are hashes of what they depend on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from contracts.errors import FileError
from contracts.files import check_file, replacing

MAX_BYTES = 8 << 30


def load(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, np.ndarray] | None:
    """Return the arrays of a file, or None where they have to be computed.

    Args:
        path: The file.
        shapes: Names and shapes of all arrays that it should hold; other shapes or values that are not finite do not
            count.
    """
    try:
        check_file(path, MAX_BYTES)
        arrays = load_file(path)
    except (OSError, FileError, SafetensorError):
        return None
    found = {name: values.shape for name, values in arrays.items()}
    return arrays if found == dict(shapes) and all(np.isfinite(values).all() for values in arrays.values()) else None


def save(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write the arrays in one step; creates the folder.

    Raises:
        OSError: The file cannot be written.
    """
    with replacing(path) as partial:
        save_file({name: np.ascontiguousarray(values) for name, values in arrays.items()}, partial)
