"""Whether the measures measure anything: each must tell a trained space from the same networks untrained.

Untrained networks squeeze all poses into nearly one. Errors are large then, but what looks at smoothness alone is
small: such columns mean something only beside the others, and they are expected to rise with training. Continuity
cannot tell at all, whether relative to the latent's own spread or not: untrained networks may pass noise on just as
trained ones do.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
import onnx
import onnxruntime
from onnx import ModelProto, numpy_helper

import embodiments
from contracts.bundle import read_verified
from contracts.onnx_session import Ports, open_session
from latent_codec.codec import Codec
from latent_codec.evaluation.table5 import COLUMNS


class UntrainedSpace:
    """The networks of `codec` as they would be drawn before training; a `LatentSpace`.

    Weights and biases of linear layers are uniform within 1 / sqrt(inputs), normalisations are the identity; all else,
    kinematics and limits, is as it was.
    """

    def __init__(self, codec: Codec) -> None:
        self.hands = codec.hands
        rng = np.random.default_rng(0)
        entries = codec.manifest.codec.hands
        robots = {name: embodiments.load(name) for name in self.hands}
        self._limits = {name: (robot.lower, robot.upper) for name, robot in robots.items()}
        joints: dict[str, Ports] = {name: {"joints": (None, len(entries[name].joints))} for name in self.hands}
        latent: Ports = {"latent": (None, codec.latent_dim)}
        self._encoders = {name: _redrawn(codec, entries[name].encoder, joints[name], latent, rng) for name in joints}
        self._decoders = {name: _redrawn(codec, entries[name].decoder, latent, joints[name], rng) for name in joints}

    def encode(self, hand: str, q: np.ndarray) -> np.ndarray:
        """See LatentSpace."""
        joints = np.clip(q, *self._limits[hand]).astype(np.float32)
        return self._encoders[hand].run(None, {"joints": joints})[0].astype(float)

    def decode(self, hand: str, z: np.ndarray) -> np.ndarray:
        """See LatentSpace."""
        joints = self._decoders[hand].run(None, {"latent": np.asarray(z, dtype=np.float32)})[0]
        return np.clip(joints.astype(float), *self._limits[hand])


def _redrawn(
    codec: Codec, file: str, inputs: Ports, outputs: Ports, rng: np.random.Generator
) -> onnxruntime.InferenceSession:
    model = onnx.load_model_from_string(read_verified(codec.directory, codec.manifest, file))
    redraw(model, rng)
    return open_session(model.SerializeToString(), codec.directory / file, inputs, outputs)


def redraw(model: ModelProto, rng: np.random.Generator) -> None:
    """Give the linear layers and normalisations of `model` the weights they had before training."""
    values = {item.name: item for item in model.graph.initializer}
    for node in model.graph.node:
        parts = [values[name] for name in node.input[1:] if name in values]
        if node.op_type == "Gemm" and parts:
            bound = 1 / np.sqrt(_inputs(node, parts[0]))
            for part in parts:
                _set(part, rng.uniform(-bound, bound, tuple(part.dims)))
        elif node.op_type == "LayerNormalization":
            for part, value in zip(parts, (1.0, 0.0), strict=False):
                _set(part, np.full(tuple(part.dims), value))


def _inputs(node: onnx.NodeProto, weights: onnx.TensorProto) -> int:
    transposed = any(item.name == "transB" and item.i for item in node.attribute)
    return weights.dims[1 if transposed else 0]


def _set(tensor: onnx.TensorProto, values: np.ndarray) -> None:
    tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float32), tensor.name))


Move = Literal["falls", "rises", "differs"]

MOVES: dict[str, Move] = {
    "joint_rmse_rad": "falls",
    "tip_rmse_mm": "falls",
    "tip_error_mm": "falls",
    "pinch_direction_deg": "falls",
    "pinch_distance_mm": "falls",
    "random_direction_deg": "falls",
    "random_distance_mm": "falls",
    "nearest_direction_deg": "falls",
    "nearest_distance_mm": "falls",
    "reach_direction_deg": "falls",
    "reach_distance_mm": "falls",
    "excess_random_direction_deg": "falls",
    "excess_random_distance_mm": "falls",
    "tip_acceleration_mm": "differs",
    "tip_jerk_mm": "differs",
    "gripper_opening_correlation": "rises",
    "probe_linear": "falls",
    "reencoding_std": "falls",
    "reencoding_reachable_std": "falls",
    "retrieval_top1": "rises",
    "retrieval_reachable_top1": "rises",
    "recall_top1": "rises",
    "recall_reachable_top1": "rises",
}
CANNOT_TELL = ("continuity_joint_rad", "continuity_tip_mm")
MARGIN = 0.1


class SelfCheckError(AssertionError):
    """A metric that cannot tell a trained space from an untrained one."""


def self_check(trained: Mapping[str, float], untrained: Mapping[str, float]) -> None:
    """Compare two means of `measure_space`; raises SelfCheckError that names each metric that fails.

    A metric passes that moves by a tenth of the larger value in the direction that `MOVES` gives it. Metrics that one
    does not have (no gripper, no oracle) are not asked for, the ten columns are.
    """
    failed = [
        _text(name, trained[name], untrained[name], move)
        for name, move in MOVES.items()
        if name in trained and name in untrained and not _moved(trained[name], untrained[name], move)
    ]
    missing = [f"{name}: found none, expected a value" for name in COLUMNS if name not in trained]
    if failed or missing:
        raise SelfCheckError("; ".join(missing + failed))


def _moved(trained: float, untrained: float, move: Move) -> bool:
    needed = MARGIN * max(abs(trained), abs(untrained))
    change = trained - untrained
    return {"falls": change < -needed, "rises": change > needed, "differs": abs(change) > needed}[move]


def _text(name: str, trained: float, untrained: float, move: Move) -> str:
    return f"{name}: found {trained:.4g} trained and {untrained:.4g} untrained, expected that it {move}"
