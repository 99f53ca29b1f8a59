"""From trained networks to a verified bundle: ONNX files, manifest, metrics."""

from __future__ import annotations

import platform
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import torch

from contracts.axes import latent_axes
from contracts.bundle import content_id, describe_file, write_manifest
from contracts.manifest import CodecContract, CodecManifest, HandEntry, Training
from embodiments import Embodiment
from latent_codec.codec import Codec
from latent_codec.evaluation.metrics import measure
from latent_codec.evaluation.space import TorchSpace
from latent_codec.training.checkpoint import weights_digest
from latent_codec.training.config import TrainingConfig
from latent_codec.training.data import poses
from latent_codec.training.data.density_fit import fit_for_space
from latent_codec.training.data.pools import padded
from latent_codec.training.model import Space
from latent_codec.training.onnx_export import export_network

DENSITY = "density.npz"
DENSITY_SAMPLES = 5  # times the poses of the evaluation, a hand
SAMPLES = 512


@dataclass(frozen=True, eq=False)
class Trained:
    """A space and how it came about; `steps` and `seconds` of all stages."""

    config: TrainingConfig
    steps: int
    seconds: float
    space: Space


def export_bundle(trained: Trained, robots: Sequence[Embodiment], hashes: dict[str, str], out: Path) -> CodecManifest:
    """Write the bundle of a trained space to `out`, replacing an older one only when all checks passed.

    Raises ExportError when an ONNX file differs from PyTorch by more than 1e-4.
    """
    out, space = Path(out), trained.space.cpu()
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as temporary:
        directory = Path(temporary)
        thresholds = _export_density(trained, robots, directory)
        hands = _export_hands(space, robots, thresholds, directory)
        contract = CodecContract(latent_dim=trained.config.latent_dim, hands=hands)
        manifest = _manifest(trained, hashes, contract, directory)
        write_manifest(directory, manifest)
        metrics = measure(Codec.load(directory), trained.config.evaluation_poses)
        manifest = manifest.model_copy(update={"metrics": metrics})
        write_manifest(directory, manifest)
        Codec.load(directory)
        _replace(directory, out)
    return manifest


def _export_density(trained: Trained, robots: Sequence[Embodiment], directory: Path) -> dict[str, float]:
    """Write the density of the space's latents; the threshold of each hand."""
    config, names = trained.config, tuple(robot.name for robot in robots)
    space = TorchSpace.from_group(names, trained.space.eval())
    density, thresholds = fit_for_space(space.encode, robots, config.seed, DENSITY_SAMPLES * config.evaluation_poses)
    (directory / DENSITY).write_bytes(density.to_bytes())
    return thresholds


def _export_hands(
    space: Space, robots: Sequence[Embodiment], thresholds: Mapping[str, float], directory: Path
) -> dict[str, HandEntry]:
    space.eval()
    rng = np.random.default_rng(0)
    with torch.no_grad():
        joints = padded(space.group, [poses.uniform(robot, SAMPLES, rng) for robot in robots])
        latents = space.encode(joints)
        decoded = space.decode(latents)
    entries = {}
    for row, robot in enumerate(robots):
        count = len(robot.joints)
        encoder, decoder = space.member(row)
        own, files = joints[row, :, :count], network_files(robot.name)
        export_network(encoder, own, latents[row], "joints", "latent", directory / files[0])
        export_network(decoder, latents[row], decoded[row, :, :count], "latent", "joints", directory / files[1])
        entries[robot.name] = HandEntry(
            joints=tuple(robot.joints),
            lower=tuple(map(float, robot.lower)),
            upper=tuple(map(float, robot.upper)),
            encoder=files[0],
            decoder=files[1],
            density=DENSITY,
            density_threshold=thresholds[robot.name],
        )
    return entries


def network_files(hand: str) -> tuple[str, str]:
    """Names of the files of a hand's encoder and decoder."""
    stem = hand.replace("@", "_")
    return f"{stem}_encoder.onnx", f"{stem}_decoder.onnx"


def _manifest(trained: Trained, hashes: dict[str, str], contract: CodecContract, directory: Path) -> CodecManifest:
    config, learned = trained.config, trained.space.trainable()
    encoders = {name: value for name, value in learned.items() if name.startswith("encoders.")}
    names = sorted(path.name for path in directory.iterdir())
    return CodecManifest(
        id=content_id(config.name, weights_digest(learned)),
        latent_space=content_id(config.name, weights_digest(encoders)),  # other decoders read the same latents
        axes=latent_axes(config.latent_dim),
        codec=contract,
        files={name: describe_file(directory / name) for name in names},
        training=Training(
            recipe=config.recipe,
            config=config.model_dump(mode="json"),
            inputs=hashes,
            steps=trained.steps,
            seed=config.seed,
            seconds=round(trained.seconds, 1),
            created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
            versions={"python": platform.python_version(), "torch": torch.__version__},
        ),
    )


def _replace(source: Path, out: Path) -> None:
    """Put the files of `source` in place: first the old manifest goes, last the new one comes."""
    out.mkdir(parents=True, exist_ok=True)
    for old in [out / "manifest.yaml", *out.glob("*.onnx"), *out.glob("*.npz")]:
        old.unlink(missing_ok=True)
    for path in sorted(source.iterdir(), key=lambda item: item.name == "manifest.yaml"):
        shutil.move(str(path), out / path.name)
