"""The codec at run time: joint positions of a hand to latents and back, in onnxruntime, one thread, no torch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import numpy as np
import onnxruntime

import embodiments
from contracts.bundle import BundleError, load_manifest, read_verified
from contracts.manifest import MANIFEST_NAME, CodecManifest, HandEntry
from contracts.onnx_session import open_session
from embodiments import Embodiment, EmbodimentError
from latent_codec.density import Density

LIMIT_TOLERANCE = 1e-4


class DecodeStatus(str, Enum):
    """Why latents were decoded or not."""

    OK = "ok"
    NOT_FINITE = "not_finite"
    OUTSIDE = "outside"


@dataclass(frozen=True)
class Verdict:
    """Whether latents may be decoded.

    Attributes:
        status: OK, or why not.
        point: The row with the lowest score, or the first that is not finite.
        score: That row's score under the density of the decoder's training (see `density`).
        threshold: Scores below it are refused.
    """

    status: DecodeStatus
    point: int = 0
    score: float = np.nan
    threshold: float = np.nan

    def __str__(self) -> str:
        found = "" if np.isnan(self.score) else f", score {self.score:.3g}, threshold {self.threshold:.3g}"
        return f"point {self.point}{found}"


@dataclass(frozen=True)
class _Hand:
    """Networks, density and limits of one hand; `lower`, `upper` (n,) in rad, m for prismatic joints."""

    entry: HandEntry
    lower: np.ndarray
    upper: np.ndarray
    encoder: onnxruntime.InferenceSession
    decoder: onnxruntime.InferenceSession
    density: Density


class Codec:
    """Encoders and decoders of the hands that share one latent space.

    Attributes:
        directory: The bundle.
        manifest: Its manifest.
        latent_space: Identity of the space, "name@12hex".
        axes: Names of one side's latent vector, in wire order.
        latent_dim: N, the size of a hand's latent.
        hands: Names of the hands that were loaded.
    """

    def __init__(self, directory: Path, manifest: CodecManifest, hands: dict[str, _Hand]) -> None:
        """Use `load`."""
        self.directory = directory
        self.manifest = manifest
        self.latent_space: str = manifest.latent_space
        self.axes: tuple[str, ...] = manifest.axes
        self.latent_dim: int = manifest.codec.latent_dim
        self.hands: tuple[str, ...] = tuple(hands)
        self._hands = hands

    @classmethod
    def load(cls, bundle: Path | str, hands: Iterable[str] | None = None) -> Codec:
        """Verify a whole bundle and load hands of it.

        Args:
            bundle: Directory of the bundle.
            hands: Names of the hands to load; None for all.

        Raises:
            BundleError: The bundle is damaged, lacks one of the hands, or does not fit the robots of these names.
        """
        directory = Path(bundle)
        manifest = load_manifest(directory, "codec")
        known = manifest.codec.hands
        wanted = tuple(known) if hands is None else tuple(dict.fromkeys(hands))
        for name in wanted:
            if name not in known:
                raise BundleError(directory / MANIFEST_NAME, "codec.hands", name, f"one of {', '.join(known)}")
        wanted += tuple(left for name in wanted if (left := left_of(name)) in known and left not in wanted)
        densities = _load_densities(directory, manifest, wanted)
        return cls(directory, manifest, {name: _load_hand(directory, manifest, name, densities) for name in wanted})

    def member(self, robot: Embodiment) -> str:
        """Return the name under which a hand is known here: a left one has networks of its own where it differs.

        Raises:
            KeyError: The hand was not loaded.
        """
        left = left_of(robot.name)
        name = left if robot.side == "left" and left in self._hands else robot.name
        self._hand(name)
        return name

    def joints(self, hand: str) -> tuple[str, ...]:
        """Return the joint order of `hand` in `encode` and `decode`."""
        return self._hand(hand).entry.joints

    def encode(self, hand: str, q: np.ndarray) -> np.ndarray:
        """Return the latents (B, N) of joint positions `q` (B, n); positions outside of the limits are clamped first.

        Raises:
            KeyError: The hand was not loaded.
            ValueError: `q` has another shape.
        """
        codec = self._hand(hand)
        joints = _matrix("joints", q, len(codec.entry.joints))
        joints = np.clip(joints, codec.lower, codec.upper).astype(np.float32)
        return codec.encoder.run(None, {"joints": joints})[0].astype(float)

    def decode(self, hand: str, z: np.ndarray) -> tuple[np.ndarray, DecodeStatus]:
        """Return the joint positions (B, n), within the limits, of latents `z` (B, N), and whether they are good.

        When the status is not OK all positions are NaN, even if only one latent is refused: a chunk is executed as a
        whole or not at all. `verdict` names the latent.

        Raises:
            KeyError: The hand was not loaded.
            ValueError: `z` has another shape.
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
        """Return the network's output (B, n) for latents `z` (B, N) without any check: for measuring, never for motion.

        Raises:
            KeyError: The hand was not loaded.
            ValueError: `z` has another shape.
        """
        codec = self._hand(hand)
        latent = _matrix("latent", z, self.latent_dim).astype(np.float32)
        joints = codec.decoder.run(None, {"latent": latent})[0].astype(float)
        return np.clip(joints, codec.lower, codec.upper)

    def verdict(self, hand: str, z: np.ndarray) -> Verdict:
        """Return whether all latents `z` (B, N) are like those that the decoder of `hand` was trained on."""
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
        """Return the scores (B,) of finite latents `z` (B, N) under the density of the decoder of `hand`."""
        return self._hand(hand).density.score(_matrix("latent", z, self.latent_dim))

    def density(self, hand: str) -> Density:
        """Return the density of the decoder of `hand`; decoders that share one share the object."""
        return self._hand(hand).density

    def threshold(self, hand: str) -> float:
        """Return the score below which latents are refused for `hand`."""
        return self._hand(hand).entry.density_threshold

    def _hand(self, name: str) -> _Hand:
        try:
            return self._hands[name]
        except KeyError:
            raise KeyError(f"hand: found {name}, expected one of {', '.join(self.hands)}") from None


def left_of(hand: str) -> str:
    """Return the name of the left hand of `hand` as a mirror shows it, which `embodiments.load` knows."""
    return f"{hand.partition('@')[0]}@left"


def _matrix(name: str, value: np.ndarray, size: int) -> np.ndarray:
    matrix = np.asarray(value, dtype=float)
    if matrix.ndim != 2 or matrix.shape[1] != size:
        raise ValueError(f"{name}: found shape {matrix.shape}, expected (B, {size})")
    return matrix


def _load_densities(directory: Path, manifest: CodecManifest, hands: Iterable[str]) -> dict[str, Density]:
    """File name -> density, of the files that `hands` name, each read once."""
    files = dict.fromkeys(manifest.codec.hands[name].density for name in hands)
    contents = {file: read_verified(directory, manifest, file) for file in files}
    return {file: Density.from_bytes(contents[file], directory / file, manifest.codec.latent_dim) for file in files}


def _load_hand(directory: Path, manifest: CodecManifest, name: str, densities: dict[str, Density]) -> _Hand:
    """One hand; raises BundleError unless its joints and limits fit the robot of that name."""
    entry, field, path = manifest.codec.hands[name], f"codec.hands.{name}", directory / MANIFEST_NAME
    try:
        robot = embodiments.load(name)
    except EmbodimentError as error:
        raise BundleError(path, field, str(error), "an embodiment that exists") from None
    if entry.joints != tuple(robot.joints):
        raise BundleError(path, f"{field}.joints", " ".join(entry.joints), " ".join(robot.joints))
    lower, upper = np.maximum(entry.lower, robot.lower), np.minimum(entry.upper, robot.upper)
    if np.any(lower > upper + LIMIT_TOLERANCE):
        raise BundleError(path, f"{field}.lower", entry.lower, f"limits that meet {robot.lower.tolist()}")
    joints = {"joints": (None, len(entry.joints))}
    latent = {"latent": (None, manifest.codec.latent_dim)}
    contents = {file: read_verified(directory, manifest, file) for file in (entry.encoder, entry.decoder)}
    encoder = open_session(contents[entry.encoder], directory / entry.encoder, joints, latent)
    decoder = open_session(contents[entry.decoder], directory / entry.decoder, latent, joints)
    return _Hand(entry, lower, upper, encoder, decoder, densities[entry.density])
