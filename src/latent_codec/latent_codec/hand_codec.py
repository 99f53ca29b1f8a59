"""One hand of a codec bundle: its networks, density and limits, read from files and checked against the robot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime

import embodiments
from contracts.bundle import MANIFEST_NAME, BundleError, HandEntry, Manifest, read_verified
from embodiments.registry import EmbodimentError
from latent_codec.density import Density

LIMIT_TOLERANCE = 1e-4


@dataclass(frozen=True)
class HandCodec:
    """Networks, density and limits of one hand; `lower`, `upper` (n,) in rad, m for prismatic joints."""

    entry: HandEntry
    lower: np.ndarray
    upper: np.ndarray
    encoder: onnxruntime.InferenceSession
    decoder: onnxruntime.InferenceSession
    density: Density


def load_hands(directory: Path, manifest: Manifest, hands: Sequence[str]) -> dict[str, HandCodec]:
    """name -> hand, of a manifest that was verified. Raises BundleError."""
    densities = _load_densities(directory, manifest, hands)
    return {name: _load_hand(directory, manifest, name, densities) for name in hands}


def _load_densities(directory: Path, manifest: Manifest, hands: Sequence[str]) -> dict[str, Density]:
    """file name -> the densities that `hands` name, each read once."""
    contract = manifest.codec
    assert contract is not None
    files = dict.fromkeys(contract.hands[name].density for name in hands)
    contents = {file: read_verified(directory, manifest, file) for file in files}
    return {file: Density.from_bytes(contents[file], directory / file, contract.latent_dim) for file in files}


def _load_hand(directory: Path, manifest: Manifest, name: str, densities: dict[str, Density]) -> HandCodec:
    contract, path = manifest.codec, directory / MANIFEST_NAME
    assert contract is not None
    entry = contract.hands[name]
    try:
        embodiment = embodiments.load(name)
    except EmbodimentError as error:
        raise BundleError(path, f"codec.hands.{name}", str(error), "an embodiment that exists") from None
    if entry.joints != tuple(embodiment.joints):
        expected = " ".join(embodiment.joints)
        raise BundleError(path, f"codec.hands.{name}.joints", " ".join(entry.joints), expected)
    lower = np.maximum(entry.lower, embodiment.lower)
    upper = np.minimum(entry.upper, embodiment.upper)
    if np.any(lower > upper + LIMIT_TOLERANCE):
        raise BundleError(path, f"codec.hands.{name}.lower", entry.lower, f"limits that meet {embodiment.lower}")
    size, latent = len(entry.joints), contract.latent_dim
    encoder = _session(directory, manifest, entry.encoder, ("joints", size), ("latent", latent))
    decoder = _session(directory, manifest, entry.decoder, ("latent", latent), ("joints", size))
    return HandCodec(entry, lower, upper, encoder, decoder, densities[entry.density])


def _session(
    directory: Path, manifest: Manifest, name: str, source: tuple[str, int], target: tuple[str, int]
) -> onnxruntime.InferenceSession:
    """One network; its input and output must be called and shaped (batch, size) as the manifest promises."""
    content = read_verified(directory, manifest, name)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises bare C++ exceptions of many types
        raise BundleError(directory / name, "content", type(error).__name__, "an ONNX model") from None
    for field, ports, (port, size) in (
        ("input", session.get_inputs(), source),
        ("output", session.get_outputs(), target),
    ):
        found = [(item.name, *item.shape[1:]) for item in ports]
        if found != [(port, size)]:
            raise BundleError(directory / name, field, found, [(port, size)])
    return session
