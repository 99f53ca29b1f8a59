"""The one way to open a network: from verified bytes, with the inputs and outputs of its bundle's contract."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import onnxruntime

from contracts.bundle import BundleError

CPU = ("CPUExecutionProvider",)
Ports = Mapping[str, Sequence[int | None]]


def open_session(
    content: bytes, file: Path | str, inputs: Ports, outputs: Ports, threads: int = 1, providers: Sequence[str] = CPU
) -> onnxruntime.InferenceSession:
    """Return a session of the network.

    Args:
        content: The ONNX file.
        file: Where it is from, for messages.
        inputs: Name -> shape of all inputs; None is a free dimension, such as a batch.
        outputs: The same of all outputs.
        threads: Threads of one operation. They do not spin between two inferences, which would take the cores from
            servo loops.
        providers: onnxruntime's execution providers; it takes the first that can run an operation.

    Raises:
        BundleError: Not an ONNX file, or one with other inputs or outputs.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        session = onnxruntime.InferenceSession(content, options, providers=list(providers))
    except Exception as error:  # onnxruntime raises bare C++ exceptions of many types
        raise BundleError(file, "", type(error).__name__, "an ONNX model") from None
    _check(file, "inputs", session.get_inputs(), inputs)
    _check(file, "outputs", session.get_outputs(), outputs)
    return session


def _check(file: Path | str, field: str, ports: Sequence[Any], expected: Ports) -> None:
    found = {port.name: [size if isinstance(size, int) else None for size in port.shape] for port in ports}
    wanted = {name: list(shape) for name, shape in expected.items()}
    if found != wanted:
        raise BundleError(file, field, found, wanted)
