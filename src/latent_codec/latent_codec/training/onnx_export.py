"""Networks to ONNX, with the gate that keeps PyTorch and ONNX equal."""

from __future__ import annotations

import copy
import logging
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from torch import Tensor, nn

from embodiments import Embodiment

PARITY = 1e-4
OPSET = 18


class ExportError(RuntimeError):
    """A bundle that is refused to be written; one line."""


def exportable(encoder: nn.Module, robot: Embodiment) -> nn.Module:
    """A copy of an encoder whose kinematics an ONNX graph can express."""
    encoder = copy.deepcopy(encoder)
    encoder.frames.kinematics = ExportableTips(robot)
    return encoder


def export_network(
    network: nn.Module, example: Tensor, source: str, target: str, path: Path, wanted: Tensor | None = None
) -> float:
    """Export one network with a free batch size; returns its largest difference from PyTorch, at most 1e-4.

    `wanted` is what PyTorch makes of `example`, where `network` is not itself what was trained.
    """
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it reports that torchvision, unused here, is absent
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            network,
            (example[:3],),
            input_names=[source],
            output_names=[target],
            dynamic_shapes=({0: torch.export.Dim("batch", min=1)},),
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
        program.save(str(path), external_data=False)
    strip(path)
    with torch.no_grad():
        wanted = network(example) if wanted is None else wanted
    error = parity(path, source, example, wanted)
    if not error <= PARITY:
        raise ExportError(f"{path.name}: parity: found a difference of {error:.2e}, expected at most {PARITY:.0e}")
    return error


def strip(path: Path) -> None:
    """Take out the exporter's notes of which file and line each operation came from: they are of one machine."""
    model = onnx.load(path)
    for item in (model, model.graph, *model.graph.node, *model.graph.value_info, *model.functions):
        item.ClearField("metadata_props")
        item.ClearField("doc_string")
    onnx.save(model, path)


def parity(path: Path, source: str, example: Tensor, wanted: Tensor) -> float:
    """Largest difference of the ONNX output from `wanted`, on the batch and on a single row of `example`."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    worst = 0.0
    for rows in (slice(None), slice(0, 1)):
        found = session.run(None, {source: example[rows].numpy()})[0]
        worst = max(worst, float(np.abs(found - wanted[rows].numpy()).max()))
    return worst


class ExportableTips(nn.Module):
    """What `TorchKinematics.tip_positions` computes, unrolled link by link; the parity gate compares the two.

    Only operations whose shapes and branches do not depend on values, which is what can be exported.
    """

    def __init__(self, embodiment: Embodiment) -> None:
        super().__init__()
        chain = embodiment.kinematics.chain
        self.tips = tuple(chain.link_index(link) for link in embodiment.tips.values())
        self.steps = tuple((link, chain.parent[link]) for link in chain.needed(self.tips))
        self.source = tuple(int(index) for index in chain.source)
        for name in ("constant", "linear", "quadratic", "multiplier", "offset", "lower", "upper"):
            values = torch.tensor(np.clip(getattr(chain, name), -1e9, 1e9), dtype=torch.float32)
            self.register_buffer(name, values, persistent=False)
        self.register_buffer("revolute", torch.tensor(np.array(chain.revolute)), persistent=False)

    def tip_positions(self, q: Tensor) -> Tensor:
        """Fingertips (B, F, 3) in the root frame, m, from joints (B, n) in rad."""
        p = torch.minimum(torch.maximum(q[:, self.source] * self.multiplier + self.offset, self.lower), self.upper)
        first = torch.where(self.revolute, torch.sin(p), p)[..., None, None]
        second = torch.where(self.revolute, 1 - torch.cos(p), torch.zeros_like(p))[..., None, None]
        local = (self.constant + first * self.linear + second * self.quadratic).unbind(1)
        poses: dict[int, Tensor] = {}
        for link, parent in self.steps:
            poses[link] = poses[parent] @ local[link - 1] if parent else local[link - 1]
        return torch.stack([poses[link][:, :3, 3] for link in self.tips], dim=1)
