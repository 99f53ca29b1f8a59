"""The codec at run time: joint positions of a hand to latents and back, in onnxruntime, one thread, no torch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import numpy as np
import onnxruntime

import embodiments
from embodiments.registry import EmbodimentError
from latent_codec.bundle import MANIFEST_NAME, BundleError, HandEntry, Manifest, load_manifest, read_verified

LIMIT_TOLERANCE = 1e-4


class DecodeStatus(str, Enum):
    """Why latents were decoded or not."""

    OK = "ok"
    NOT_FINITE = "not_finite"
    OUTSIDE = "outside"


@dataclass(frozen=True)
class HandCodec:
    """Networks and limits of one hand; `lower`, `upper` (n,) in rad, m for prismatic joints."""

    entry: HandEntry
    lower: np.ndarray
    upper: np.ndarray
    encoder: onnxruntime.InferenceSession
    decoder: onnxruntime.InferenceSession


class Codec:
    """Encoders and decoders of the hands that share one latent space.

    `latent_space` ("name@12hex") identifies the space, `axes` the order of one side's latent vector.
    """

    def __init__(self, directory: Path, manifest: Manifest, hands: dict[str, HandCodec]) -> None:
        contract = manifest.codec
        if contract is None:
            raise BundleError(directory / MANIFEST_NAME, "kind", manifest.kind, "codec")
        self.directory = directory
        self.manifest = manifest
        self.latent_space: str = manifest.latent_space
        self.axes: tuple[str, ...] = manifest.axes
        self.latent_dim: int = contract.latent_dim
        self.latent_bound: float = contract.latent_bound
        self.hands: tuple[str, ...] = tuple(hands)
        self._hands = hands

    @classmethod
    def load(cls, bundle: Path | str, hands: Iterable[str] | None = None) -> Codec:
        """Verify the whole bundle and load `hands` of it (default: all that it knows). Raises BundleError."""
        directory = Path(bundle)
        manifest = load_manifest(directory, "codec")
        known = manifest.codec.hands if manifest.codec is not None else {}
        wanted = tuple(known) if hands is None else tuple(dict.fromkeys(hands))
        for name in wanted:
            if name not in known:
                raise BundleError(directory / MANIFEST_NAME, "codec.hands", name, f"one of {', '.join(known)}")
        return cls(directory, manifest, {name: _load_hand(directory, manifest, name) for name in wanted})

    def joints(self, hand: str) -> tuple[str, ...]:
        """Joint order of `hand` in `encode` and `decode`."""
        return self._hand(hand).entry.joints

    def encode(self, hand: str, q: np.ndarray) -> np.ndarray:
        """Joint positions (B, n) to latents (B, N); positions outside of the limits are clamped to them first."""
        codec = self._hand(hand)
        joints = _matrix("joints", q, len(codec.entry.joints))
        joints = np.clip(joints, codec.lower, codec.upper).astype(np.float32)
        return codec.encoder.run(None, {"joints": joints})[0].astype(float)

    def decode(self, hand: str, z: np.ndarray) -> tuple[np.ndarray, DecodeStatus]:
        """Latents (B, N) to joint positions (B, n) within the limits.

        When the status is not OK the positions are NaN: there is nothing to execute.
        """
        codec = self._hand(hand)
        latent = _matrix("latent", z, self.latent_dim)
        status = self._admissible(latent)
        if status is not DecodeStatus.OK:
            return np.full((len(latent), len(codec.lower)), np.nan), status
        joints = codec.decoder.run(None, {"latent": latent.astype(np.float32)})[0].astype(float)
        if not np.isfinite(joints).all():
            return np.full_like(joints, np.nan), DecodeStatus.NOT_FINITE
        return np.clip(joints, codec.lower, codec.upper), DecodeStatus.OK

    def _admissible(self, latent: np.ndarray) -> DecodeStatus:
        if not np.isfinite(latent).all():
            return DecodeStatus.NOT_FINITE
        if latent.size and np.abs(latent).max() > self.latent_bound:
            return DecodeStatus.OUTSIDE
        return DecodeStatus.OK

    def _hand(self, name: str) -> HandCodec:
        try:
            return self._hands[name]
        except KeyError:
            raise KeyError(f"hand: found {name}, expected one of {', '.join(self.hands)}") from None


def _load_hand(directory: Path, manifest: Manifest, name: str) -> HandCodec:
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
    return HandCodec(entry, lower, upper, encoder, decoder)


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


def _matrix(name: str, value: np.ndarray, size: int) -> np.ndarray:
    matrix = np.asarray(value, dtype=float)
    if matrix.ndim != 2 or matrix.shape[1] != size:
        raise ValueError(f"{name}: found shape {matrix.shape}, expected (B, {size})")
    return matrix
