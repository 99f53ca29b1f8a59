"""Networks to ONNX, with the gate that keeps PyTorch and ONNX equal."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from contracts.onnx_session import open_session

PARITY = 1e-4
OPSET = 18


class ExportError(RuntimeError):
    """Networks that must not be shipped; one line with what was found and expected."""


def export_network(network: nn.Module, example: Tensor, wanted: Tensor, source: str, target: str, path: Path) -> float:
    """Export one network with a free batch size; returns its largest difference from `wanted`, at most 1e-4.

    `wanted` is what the trained space, in which the hands are evaluated together, makes of `example`.
    """
    batch = torch.export.Dim("batch", min=1)
    write_graph(network, (example[:3],), [source], target, path, dynamic_shapes=({0: batch},), opset_version=OPSET)
    error = parity(path, source, target, example, wanted)
    if not error <= PARITY:
        raise ExportError(f"{path.name}: parity: found a difference of {error:.2e}, expected at most {PARITY:.0e}")
    return error


def write_graph(
    network: nn.Module, inputs: tuple[Tensor, ...], names: Sequence[str], output: str, path: Path, **options: Any
) -> None:
    """Trace a network with `inputs`, called `names`, into one ONNX file; `options` are those of torch.onnx.export."""
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it reports that torchvision, unused here, is absent
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            network, inputs, input_names=list(names), output_names=[output], dynamo=True, verbose=False, **options
        )
    assert program is not None
    program.save(str(path), external_data=False)
    strip(path)


def strip(path: Path) -> None:
    """Take out the exporter's notes of which file and line each operation came from: they are of one machine."""
    model = onnx.load(path)
    for item in (model, model.graph, *model.graph.node, *model.graph.value_info, *model.functions):
        item.ClearField("metadata_props")
        item.ClearField("doc_string")
    onnx.save(model, path)


def parity(path: Path, source: str, target: str, example: Tensor, wanted: Tensor) -> float:
    """Largest difference of the ONNX output from `wanted`, on the batch and on a single row of `example`."""
    inputs, outputs = {source: (None, example.shape[1])}, {target: (None, wanted.shape[1])}
    session = open_session(path.read_bytes(), path, inputs, outputs)
    worst = 0.0
    for rows in (slice(None), slice(0, 1)):
        found = session.run(None, {source: example[rows].numpy()})[0]
        worst = max(worst, float(np.abs(found - wanted[rows].numpy()).max()))
    return worst
