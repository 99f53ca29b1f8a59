"""Checkpoints: weights and optimiser state as plain arrays (no pickle), replaced atomically."""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

FINGERPRINT = "fingerprint"
STEP = "step"
SECONDS = "seconds"


def save(
    path: Path,
    fingerprint: str,
    step: int,
    seconds: float,
    parameters: Mapping[str, Tensor],
    optimizer: torch.optim.Optimizer,
) -> None:
    """Write a checkpoint after `step` steps that took `seconds`; `fingerprint` says what was trained, and how."""
    arrays = {f"model/{name}": value.detach().numpy() for name, value in parameters.items()}
    for index, state in optimizer.state_dict()["state"].items():
        arrays.update({f"optimizer/{index}/{key}": np.asarray(value) for key, value in state.items()})
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.stem}.partial.npz")
    arrays |= {FINGERPRINT: np.array(fingerprint), STEP: np.array(step), SECONDS: np.array(seconds)}
    np.savez(partial, **arrays)
    os.replace(partial, path)


def restore(
    path: Path, fingerprint: str, parameters: Mapping[str, Tensor], optimizer: torch.optim.Optimizer
) -> tuple[int, float] | None:
    """Continue from a checkpoint: (steps done, seconds spent); None when there is none of this training."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = dict(file)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        return None
    if str(arrays.get(FINGERPRINT)) != fingerprint:
        return None
    with torch.no_grad():
        for name, value in parameters.items():
            value.copy_(torch.from_numpy(arrays[f"model/{name}"]))
    state: dict[int, dict[str, Tensor]] = {}
    for name, array in arrays.items():
        if name.startswith("optimizer/"):
            _, index, key = name.split("/")
            state.setdefault(int(index), {})[key] = torch.from_numpy(array.copy())
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    return int(arrays[STEP]), float(arrays[SECONDS])


def weights_digest(parameters: Mapping[str, Tensor]) -> bytes:
    """All learned values, by name, as bytes to hash: the identity of a latent space."""
    digest = hashlib.sha256()
    for name in sorted(parameters):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(parameters[name].detach().numpy(), dtype="<f4").tobytes())
    return digest.digest()
