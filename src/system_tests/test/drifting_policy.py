"""A policy bundle of a few operators, written without training: both hands rise slowly from where they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from contracts import bundle
from contracts.manifest import ObservationContract, PolicyContract, PolicyManifest, Training

SIZE, HORIZON, PERIOD_S = (90, 160), 16, 0.1
RISE_M_PER_S = 0.05


def write_policy(folder: Path, codec: Path) -> Path:
    """A bundle in `folder` in the latent space of the bundle in `codec`."""
    space = bundle.load_manifest(codec, "codec")
    folder.mkdir(parents=True)
    onnx.save(_graph(space.axes), folder / "policy.onnx")
    manifest = PolicyManifest(
        id="drift@000000000000",
        latent_space=space.latent_space,
        axes=space.axes,
        policy=PolicyContract(
            model="policy.onnx",
            sides=("left", "right"),
            period_s=PERIOD_S,
            horizon=HORIZON,
            observation=ObservationContract(cameras={"front": SIZE}, max_age_s=0.5),
        ),
        files={"policy.onnx": bundle.describe_file(folder / "policy.onnx")},
        training=Training(recipe="none", config={}, steps=0, seed=0, seconds=0.0, created="never"),
    )
    bundle.write_manifest(folder, manifest)
    return folder


def _graph(axes: tuple[str, ...]) -> onnx.ModelProto:
    dims = 2 * len(axes)
    rise = np.zeros((1, HORIZON, dims), np.float32)
    for side in range(2):
        ramp = RISE_M_PER_S * PERIOD_S * np.arange(1, HORIZON + 1)
        rise[0, :, side * len(axes) + axes.index("wrist.z")] = ramp
    initial = [numpy_helper.from_array(rise, "rise"), numpy_helper.from_array(np.array([1]), "axis")]
    nodes = [
        helper.make_node("Unsqueeze", ["state", "axis"], ["row"]),
        helper.make_node("Add", ["row", "rise"], ["action"]),
    ]
    inputs = [
        helper.make_tensor_value_info("image", TensorProto.UINT8, [1, *SIZE, 3]),
        helper.make_tensor_value_info("state", TensorProto.FLOAT, [1, dims]),
        helper.make_tensor_value_info("noise", TensorProto.FLOAT, [1, HORIZON, dims]),
    ]
    outputs = [helper.make_tensor_value_info("action", TensorProto.FLOAT, [1, HORIZON, dims])]
    graph = helper.make_graph(nodes, "drift", inputs, outputs, initial)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
