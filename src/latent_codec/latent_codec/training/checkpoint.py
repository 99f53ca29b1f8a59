"""Checkpoints of all trainings: tensors in one .safetensors file, what they belong to in its header. No pickle."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from contracts.errors import FileError
from contracts.files import check_file, parse_json, replacing

MAX_BYTES = 32 << 30
CONTENT, DIGEST = "content", "sha256"
ADVICE = "; to start from the first step, delete the file or give --restart"


class CheckpointError(FileError):
    """A checkpoint that a training cannot continue from."""


def save(path: Path, tensors: Mapping[str, Tensor], content: Mapping[str, Any]) -> None:
    """Replace the checkpoint in one step.

    Args:
        path: The file; its folder is created.
        tensors: What to keep, by name, on any device.
        content: What the tensors belong to (fingerprint, step, seconds, settings), as JSON in the header.

    Raises:
        OSError: The file cannot be written; what was there before still is.
    """
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    text = json.dumps(content)
    header = {CONTENT: text, DIGEST: _digest(plain, text)}
    with replacing(path) as partial:
        save_file(plain, partial, metadata=header)


def load(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """Read a checkpoint.

    Returns:
        Tensors on the CPU and content as `save` got them; None where there is no such file.

    Raises:
        CheckpointError: The file is damaged.
    """
    if not path.exists():
        return None
    check_file(path, MAX_BYTES, CheckpointError)
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        content = parse_json(header[CONTENT], path)
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        reason = f"damaged content ({type(error).__name__}: {error})"
        raise CheckpointError(path, "", reason, f"a whole checkpoint{ADVICE}") from None
    if header.get(DIGEST) != _digest(tensors, header[CONTENT]):
        raise CheckpointError(path, DIGEST, "content of another sum", f"the sum in the header{ADVICE}")
    return tensors, content


def _digest(tensors: Mapping[str, Tensor], content: str) -> str:
    """Of tensors and of what they belong to: a changed step or fingerprint is damage, too."""
    digest = hashlib.sha256(content.encode())
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the tensors whose names begin with `prefix` and a slash, without both."""
    return {name.removeprefix(f"{prefix}/"): value for name, value in tensors.items() if name.startswith(f"{prefix}/")}


def named(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors with `prefix` and a slash before each name; the inverse of `part`."""
    return {f"{prefix}/{name}": value for name, value in tensors.items()}


def copy_into(values: Mapping[str, Tensor], tensors: Mapping[str, Tensor], path: Path) -> None:
    """Copy tensors into the values of the same names, in place.

    Raises:
        CheckpointError: Names or shapes differ: the checkpoint is of other networks.
    """
    found, expected = ({name: tuple(value.shape) for name, value in group.items()} for group in (tensors, values))
    if found != expected:
        wrong = sorted(name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name))[0]
        shapes = found.get(wrong), expected.get(wrong)
        raise CheckpointError(path, wrong, shapes[0], f"{shapes[1] or 'nothing'}, as this training's networks have it")
    with torch.no_grad():
        for name, value in values.items():
            value.copy_(tensors[name])


def require_same(path: Path, field: str, found: Any, expected: Any) -> None:
    """Compare what a checkpoint belongs to with what continues it, mappings by mapping.

    Raises:
        CheckpointError: Names the first field that differs.
    """
    if isinstance(found, dict) and isinstance(expected, dict):
        for key in sorted(found.keys() | expected.keys()):
            require_same(path, f"{field}.{key}", found.get(key), expected.get(key))
    elif found != expected:
        raise CheckpointError(path, field, found, f"{expected}, as in this training{ADVICE}")


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return the optimiser's state as tensors named `<index of the parameter>.<name>`."""
    state = optimizer.state_dict()["state"]
    return {f"{index}.{name}": torch.as_tensor(value) for index, part in state.items() for name, value in part.items()}


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Set the optimiser's state to that of `optimizer_tensors`; learning rates stay as they are."""
    content = optimizer.state_dict()
    content["state"] = {}
    for name, value in tensors.items():
        index, key = name.split(".", 1)
        content["state"].setdefault(int(index), {})[key] = value
    optimizer.load_state_dict(content)


def weights_digest(parameters: Mapping[str, Tensor]) -> bytes:
    """Return a hash of all learned values with their names: the identity of a latent space."""
    digest = hashlib.sha256()
    for name in sorted(parameters):
        digest.update(name.encode())
        values = parameters[name].detach().cpu().numpy()
        digest.update(np.ascontiguousarray(values, dtype="<f4").tobytes())
    return digest.digest()
