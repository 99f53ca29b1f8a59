"""Checkpoints: tensors in one .npz, numbers in a JSON text inside it. No pickle."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

META = "meta.json"


class CheckpointError(ValueError):
    """A checkpoint that cannot be resumed; the message says which file and why."""


def save(path: Path, groups: Mapping[str, Mapping[str, Tensor]], meta: Mapping[str, Any]) -> None:
    """Write named groups of tensors and `meta` (JSON) atomically."""
    arrays = {f"{g}/{k}": v.detach().cpu().numpy() for g, tensors in groups.items() for k, v in tensors.items()}
    arrays[META] = np.frombuffer(json.dumps(meta).encode(), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    with partial.open("wb") as stream:
        np.savez(stream, **arrays)
    os.replace(partial, path)


def load(path: Path) -> tuple[dict[str, dict[str, Tensor]], dict[str, Any]]:
    """The groups and meta that `save` wrote. Raises CheckpointError."""
    groups: dict[str, dict[str, Tensor]] = {}
    try:
        with np.load(path, allow_pickle=False) as arrays:
            meta = json.loads(arrays[META].tobytes())
            for name in arrays.files:
                if name != META:
                    group, key = name.split("/", 1)
                    groups.setdefault(group, {})[key] = torch.from_numpy(arrays[name].copy())
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise CheckpointError(f"{path}: cannot be read: {error}") from error
    return groups, meta


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimiser's state, flat: `<parameter index>.<name>` -> tensor."""
    state = optimizer.state_dict()["state"]
    return {f"{index}.{name}": torch.as_tensor(value) for index, part in state.items() for name, value in part.items()}


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """The inverse of `optimizer_tensors`."""
    content = optimizer.state_dict()
    content["state"] = {}
    for name, value in tensors.items():
        index, key = name.split(".", 1)
        content["state"].setdefault(int(index), {})[key] = value
    optimizer.load_state_dict(content)


def restore_module(module: nn.Module, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Load weights; another network's weights are refused."""
    try:
        module.load_state_dict(tensors)
    except RuntimeError as error:
        raise CheckpointError(f"{path}: weights of another network: {str(error).splitlines()[0]}") from error
