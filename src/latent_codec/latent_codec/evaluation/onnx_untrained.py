"""A bundle's networks with random weights: what every metric must be able to tell from the trained ones."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
from onnx import ModelProto, numpy_helper

import embodiments
from contracts.bundle import read_verified
from contracts.onnx_session import Ports, open_session
from latent_codec.codec import Codec


class UntrainedSpace:
    """The networks of `codec` as they would be drawn before training; a `LatentSpace`.

    Weights and biases of linear layers are uniform within 1 / sqrt(inputs), normalisations are the identity; all else,
    kinematics and limits, is as it was.
    """

    def __init__(self, codec: Codec, seed: int = 0) -> None:
        self.hands = codec.hands
        rng = np.random.default_rng(seed)
        entries = codec.manifest.codec.hands
        self._limits = {name: (hand.lower, hand.upper) for name, hand in self._robots().items()}
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

    def _robots(self) -> dict:
        return {name: embodiments.load(name) for name in self.hands}


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
