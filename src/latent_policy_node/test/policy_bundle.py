"""A policy bundle of a few operators, written without training.

Its chunk stays at the state it is shown, plus a hundredth of the noise, plus the sum of the points of the action prefix
that it is given, if it takes one. A black image makes it return NaN: the mean of the pixels is divided by itself.
"""

from __future__ import annotations

from pathlib import Path

import onnx
from onnx import TensorProto, helper
from policy_toy import LATENT, SPACE

from contracts.axes import latent_axes
from contracts.bundle import content_id, describe_file, write_manifest
from contracts.image_contract import Framing
from contracts.manifest import ObservationContract, PolicyContract, PolicyManifest, Training

SIZE = (12, 16)
FRAMING = Framing(camera=SIZE, fovy_deg=35.0)
HORIZON = 8
AXES = latent_axes(LATENT)
DIMS = 2 * len(AXES)


def write_bundle(directory: Path, space: str = SPACE, prefix: int = 0, framing: Framing = FRAMING) -> Path:
    """Write the bundle into `directory` and return it."""
    model = directory / "policy.onnx"
    onnx.save(_graph(prefix), model)
    manifest = PolicyManifest(
        id=content_id("toy", model.read_bytes()),
        latent_space=space,
        axes=AXES,
        policy=PolicyContract(
            model=model.name,
            sides=("left", "right"),
            period_s=0.1,
            horizon=HORIZON,
            plan=prefix,
            observation=ObservationContract(cameras={"front": SIZE}, framing={"front": framing}, max_age_s=0.2),
        ),
        files={model.name: describe_file(model)},
        training=Training(recipe="none", config={}, steps=0, seed=0, seconds=0.0, created="never"),
    )
    write_manifest(directory, manifest)
    return directory


def _graph(prefix: int) -> onnx.ModelProto:
    constants = {"small": [0.01], "zero": [0.0]}
    nodes = [
        helper.make_node("Cast", ["image"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["pixels"], ["mean"], keepdims=0),
        helper.make_node("Div", ["mean", "mean"], ["one_or_nan"]),
        helper.make_node("Mul", ["one_or_nan", "zero"], ["zero_or_nan"]),
        helper.make_node("Unsqueeze", ["state", "axis"], ["row"]),
        helper.make_node("Mul", ["noise", "small"], ["spread"]),
        helper.make_node("Add", ["row", "spread"], ["near"]),
        helper.make_node("Add", ["near", "zero_or_nan"], ["action" if prefix == 0 else "alone"]),
    ]
    inputs = [
        helper.make_tensor_value_info("image", TensorProto.UINT8, [1, *SIZE, 3]),
        helper.make_tensor_value_info("state", TensorProto.FLOAT, [1, DIMS]),
        helper.make_tensor_value_info("noise", TensorProto.FLOAT, [1, HORIZON, DIMS]),
    ]
    if prefix:
        inputs += [
            helper.make_tensor_value_info("plan", TensorProto.FLOAT, [1, prefix, DIMS]),
            helper.make_tensor_value_info("planned", TensorProto.INT64, [1]),
        ]
        nodes += [
            helper.make_node("Slice", ["plan", "start", "planned", "axis"], ["told"]),
            helper.make_node("ReduceSum", ["told", "axis"], ["sum"], keepdims=1),
            helper.make_node("Add", ["alone", "sum"], ["action"]),
        ]
    outputs = [helper.make_tensor_value_info("action", TensorProto.FLOAT, [1, HORIZON, DIMS])]
    initial = [helper.make_tensor(name, TensorProto.FLOAT, [1], value) for name, value in constants.items()]
    initial += [
        helper.make_tensor(name, TensorProto.INT64, [1], [value]) for name, value in (("axis", 1), ("start", 0))
    ]
    graph = helper.make_graph(nodes, "toy", inputs, outputs, initial)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
