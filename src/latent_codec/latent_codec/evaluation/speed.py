"""How long decoding one chunk takes: in onnxruntime, as it runs, and operation by operation in torch."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor
from torch.nn import functional

import embodiments
from contracts.bundle import read_verified
from latent_codec.codec import Codec

Operation = Callable[..., Tensor]
_PLAIN: dict[str, Operation] = {
    "Add": torch.add,
    "Sub": torch.sub,
    "Mul": torch.mul,
    "Div": torch.div,
    "Erf": torch.erf,
    "Tanh": torch.tanh,
    "Relu": torch.relu,
    "Sigmoid": torch.sigmoid,
    "MatMul": torch.matmul,
    "Unsqueeze": lambda x, axis: x.unsqueeze(int(axis)),
}


class EagerNetwork:
    """The nodes of an ONNX graph as calls of torch, in the graph's order."""

    def __init__(self, model: onnx.ModelProto) -> None:
        graph = model.graph
        self.constants = {item.name: torch.tensor(numpy_helper.to_array(item)) for item in graph.initializer}
        self.steps = [(_operation(node), list(node.input), node.output[0]) for node in graph.node]
        self.input, self.output = graph.input[0].name, graph.output[0].name

    @classmethod
    def of(cls, codec: Codec, file: str) -> EagerNetwork | None:
        """The network of that file of the bundle; None where it has an operation that is not known here."""
        try:
            return cls(onnx.load_model_from_string(read_verified(codec.directory, codec.manifest, file)))
        except KeyError:
            return None

    @torch.inference_mode()
    def __call__(self, values: np.ndarray) -> np.ndarray:
        """(B, inputs) to (B, outputs), float32."""
        known: dict[str, Tensor] = {**self.constants, self.input: torch.from_numpy(values)}
        for operation, inputs, output in self.steps:
            known[output] = operation(*(known[name] for name in inputs))
        return known[self.output].numpy()


def _operation(node: onnx.NodeProto) -> Operation:
    settings = {item.name: onnx.helper.get_attribute_value(item) for item in node.attribute}
    if node.op_type == "Gemm":
        return _gemm(settings)
    if node.op_type == "LayerNormalization":
        epsilon = settings.get("epsilon", 1e-5)
        return lambda x, scale, shift: functional.layer_norm(x, scale.shape, scale, shift, epsilon)
    if node.op_type == "Gather" and settings.get("axis", 0) == 0:
        return lambda x, index: x[index]
    return _PLAIN[node.op_type]


def _gemm(settings: Mapping[str, float]) -> Operation:
    """Raises KeyError for what a linear layer does not do."""
    plain = settings.get("transA", 0) == 0 and settings.get("alpha", 1.0) == settings.get("beta", 1.0) == 1.0
    if not plain:
        raise KeyError("Gemm")
    if settings.get("transB", 0):
        return functional.linear
    return lambda x, weights, bias: torch.addmm(bias, x, weights)


CHUNK_POSES = 16
REPEATS = 2000
WARM_UP = 20


def decode_speed(codec: Codec, hand: str) -> dict[str, float]:
    """Milliseconds to decode the 16 poses of a chunk: p50, p99, max; `torch_*` where torch can run the graph.

    `cpu_p99_ms` counts only the time this thread ran: on a busy machine the others contain that of other programs.
    """
    robot, share = embodiments.load(hand), np.linspace(0, 1, CHUNK_POSES)[:, None]
    latent = codec.encode(hand, (1 - share) * robot.postures["open"] + share * robot.postures["grasp"])
    result = _timed(lambda: codec.decode(hand, latent))
    eager = _eager(codec, hand, latent)
    return result | ({f"torch_{key}": value for key, value in _timed(eager).items()} if eager else {})


def _timed(call: Callable[[], object]) -> dict[str, float]:
    wall, cpu = np.empty(REPEATS), np.empty(REPEATS)
    for _ in range(WARM_UP):
        call()
    for index in range(REPEATS):
        started = time.perf_counter(), time.thread_time()
        call()
        wall[index], cpu[index] = time.perf_counter() - started[0], time.thread_time() - started[1]
    return {
        "p50_ms": float(1e3 * np.median(wall)),
        "p99_ms": float(1e3 * np.percentile(wall, 99)),
        "max_ms": float(1e3 * wall.max()),
        "cpu_p99_ms": float(1e3 * np.percentile(cpu, 99)),
    }


def _eager(codec: Codec, hand: str, latent: np.ndarray) -> Callable[[], object] | None:
    network = EagerNetwork.of(codec, codec.manifest.codec.hands[hand].decoder)
    return None if network is None else lambda: network(latent.astype(np.float32))
