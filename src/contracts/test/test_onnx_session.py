"""A network is opened if its inputs and outputs are those of the contract; else one line says what differs."""

from __future__ import annotations

import numpy as np
import pytest

from contracts.bundle import BundleError
from contracts.onnx_session import Ports, open_session

onnx = pytest.importorskip("onnx")

WANTED: tuple[Ports, Ports] = {"x": (None, 2)}, {"y": (None, 2)}


def network(name: str = "y", shape: tuple[int | str, ...] = ("batch", 2)) -> bytes:
    """A network that doubles `x`, with an output of this name and shape."""
    port = onnx.helper.make_tensor_value_info
    ports = [port("x", onnx.TensorProto.FLOAT, shape)], [port(name, onnx.TensorProto.FLOAT, shape)]
    graph = onnx.helper.make_graph([onnx.helper.make_node("Add", ["x", "x"], [name])], "double", *ports)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=9)
    return model.SerializeToString()


def test_network_of_the_contract_computes() -> None:
    session = open_session(network(), "net.onnx", *WANTED)
    assert session.run(None, {"x": np.ones((3, 2), np.float32)})[0].tolist() == [[2.0, 2.0]] * 3


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"not a network", "net.onnx: found "),
        (network("z"), "net.onnx: outputs: found {'z': [None, 2]}, expected {'y': [None, 2]}"),
        (network(shape=("batch", 3)), "net.onnx: inputs: found {'x': [None, 3]}, expected {'x': [None, 2]}"),
        (network(shape=(1, 2)), "net.onnx: inputs: found {'x': [1, 2]}, expected {'x': [None, 2]}"),
    ],
)
def test_other_network_is_refused_in_one_line(content: bytes, line: str) -> None:
    with pytest.raises(BundleError) as caught:
        open_session(content, "net.onnx", *WANTED)
    assert str(caught.value).startswith(line) and "\n" not in str(caught.value)
