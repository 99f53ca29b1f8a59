"""The codec at run time: joint positions of a hand to latents and back, in onnxruntime, one thread, no torch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import numpy as np

from contracts.bundle import MANIFEST_NAME, BundleError, Manifest, load_manifest
from latent_codec.hand_codec import HandCodec, load_hands


class DecodeStatus(str, Enum):
    """Why latents were decoded or not."""

    OK = "ok"
    NOT_FINITE = "not_finite"
    OUTSIDE = "outside"


@dataclass(frozen=True)
class Verdict:
    """Whether latents may be decoded. `point` is the row that is worst, or the first that is not finite.

    `score` is that row's under the density of the decoder's training (see `density`), refused below `threshold`.
    """

    status: DecodeStatus
    point: int = 0
    score: float = np.nan
    threshold: float = np.nan

    def __str__(self) -> str:
        found = "" if np.isnan(self.score) else f", score {self.score:.3g}, threshold {self.threshold:.3g}"
        return f"point {self.point}{found}"


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
        return cls(directory, manifest, load_hands(directory, manifest, wanted))

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

        When the status is not OK the positions are all NaN, although only one latent may be to blame: there is nothing
        to execute. `verdict` says which it is.
        """
        latent = _matrix("latent", z, self.latent_dim)
        status = self.verdict(hand, latent).status
        if status is not DecodeStatus.OK:
            return np.full((len(latent), len(self.joints(hand))), np.nan), status
        joints = self.decode_anything(hand, latent)
        if not np.isfinite(joints).all():
            return np.full_like(joints, np.nan), DecodeStatus.NOT_FINITE
        return joints, DecodeStatus.OK

    def decode_anything(self, hand: str, z: np.ndarray) -> np.ndarray:
        """What the network makes of latents (B, N), refused by nobody: for measuring, never for motion."""
        codec = self._hand(hand)
        latent = _matrix("latent", z, self.latent_dim).astype(np.float32)
        joints = codec.decoder.run(None, {"latent": latent})[0].astype(float)
        return np.clip(joints, codec.lower, codec.upper)

    def verdict(self, hand: str, z: np.ndarray) -> Verdict:
        """Whether the decoder of `hand` was trained on latents (B, N) like all of these, and which fits least."""
        codec = self._hand(hand)
        latent = _matrix("latent", z, self.latent_dim)
        if not np.isfinite(latent).all():
            return Verdict(DecodeStatus.NOT_FINITE, int(np.argmin(np.isfinite(latent).all(axis=1))))
        if not len(latent):
            return Verdict(DecodeStatus.OK)
        scores, threshold = codec.density.score(latent), codec.entry.density_threshold
        worst = int(scores.argmin())
        status = DecodeStatus.OK if scores[worst] >= threshold else DecodeStatus.OUTSIDE
        return Verdict(status, worst, float(scores[worst]), threshold)

    def scores(self, hand: str, z: np.ndarray) -> np.ndarray:
        """Scores (B,) of finite latents (B, N) under the density of the decoder of `hand`; higher is likelier."""
        return self._hand(hand).density.score(_matrix("latent", z, self.latent_dim))

    def threshold(self, hand: str) -> float:
        """Below this score the decoder of `hand` refuses."""
        return self._hand(hand).entry.density_threshold

    def _hand(self, name: str) -> HandCodec:
        try:
            return self._hands[name]
        except KeyError:
            raise KeyError(f"hand: found {name}, expected one of {', '.join(self.hands)}") from None


def _matrix(name: str, value: np.ndarray, size: int) -> np.ndarray:
    matrix = np.asarray(value, dtype=float)
    if matrix.ndim != 2 or matrix.shape[1] != size:
        raise ValueError(f"{name}: found shape {matrix.shape}, expected (B, {size})")
    return matrix
