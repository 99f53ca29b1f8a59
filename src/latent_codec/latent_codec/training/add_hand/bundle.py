"""A bundle with one hand more: two files and an entry. What was there is not touched until all of it is proven."""

from __future__ import annotations

import hashlib
import platform
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

import embodiments
from contracts.bundle import MAX_MANIFEST_BYTES, BundleError, content_id, describe_file, load_manifest, write_manifest
from contracts.files import read_bytes, write_atomic
from contracts.manifest import MANIFEST_NAME, CodecManifest, HandEntry
from embodiments import Embodiment
from latent_codec.codec import Codec, DecodeStatus
from latent_codec.evaluation import table5
from latent_codec.evaluation.encoded import encode
from latent_codec.evaluation.measure import mean_of
from latent_codec.evaluation.space import CodecSpace
from latent_codec.training.data import density_fit, latent_samples, poses
from latent_codec.training.data.inputs import input_hash
from latent_codec.training.data.pools import CACHE, padded
from latent_codec.training.model import Space
from latent_codec.training.onnx_export import export_network

ADDED = "added"  # of the manifest's metrics: which hands were added, how, and how good they are
SAMPLES = 512
MEASURED_POSES = 1000
DENSITY_POSES = 60_000  # of all hands together
ENOUGH = 0.99  # of the new hand's latents of each family of postures


@dataclass(frozen=True)
class Provenance:
    """How an added hand was trained."""

    steps: int
    seed: int
    seconds: float


def added_hands(manifest: CodecManifest) -> Mapping[str, object]:
    """Hands that were added after the space had been trained."""
    found = manifest.metrics.get(ADDED, {})
    return found if isinstance(found, dict) else {}


def others_of(manifest: CodecManifest, name: str, file: Path, replace: bool) -> tuple[str, ...]:
    """Hands of the bundle besides `name`. Raises BundleError for a name that is there and must not be replaced."""
    hands = manifest.codec.hands
    if name in hands and not (replace and name in added_hands(manifest)):
        expected = "a hand that is not in it" if name not in added_hands(manifest) else "a new name, or --replace"
        raise BundleError(file, "codec.hands", name, expected)
    return tuple(hand for hand in hands if hand != name)


def extend(
    bundle: Path, manifest: CodecManifest, robot: Embodiment, space: Space, how: Provenance, work: Path
) -> CodecManifest:
    """Write the bundle with `robot` to the empty folder `work`, measured. Raises BundleError, ExportError."""
    others = others_of(manifest, robot.name, bundle / MANIFEST_NAME, replace=True)
    entries = {name: manifest.codec.hands[name] for name in others}
    without = manifest.model_copy(update={"codec": manifest.codec.model_copy(update={"hands": entries})})
    files = {file: manifest.files[file] for file in without.referenced_files}
    for file in files:
        shutil.copyfile(bundle / file, work / file)
    stem = _free_stem(robot.name.replace("@", "_"), manifest)
    entries[robot.name] = _export(space, robot, work, stem, _density(bundle, others, robot, space, work, stem))
    files |= {path.name: describe_file(path) for path in sorted(work.glob(f"{stem}_*")) if path.name not in files}
    digest = hashlib.sha256("".join(files[file].sha256 for file in sorted(files)).encode()).digest()
    training = manifest.training
    result = manifest.model_copy(
        update={
            "id": content_id(manifest.latent_space.partition("@")[0], digest),
            "codec": manifest.codec.model_copy(update={"hands": entries}),
            "files": files,
            "training": training.model_copy(update={"inputs": training.inputs | {robot.name: input_hash(robot)}}),
        }
    )
    write_manifest(work, result)
    row = _measured(Codec.load(work), robot.name) | vars(how) | {"torch": torch.__version__}
    row["python"] = platform.python_version()
    metrics = manifest.metrics | {ADDED: {**added_hands(manifest), robot.name: row}}
    result = result.model_copy(update={"metrics": metrics})
    write_manifest(work, result)
    Codec.load(work)
    return result


def install(work: Path, bundle: Path) -> None:
    """Move the new files in, then switch the manifest over in one step, then drop what nothing names any more."""
    before, after = load_manifest(bundle, "codec"), load_manifest(work, "codec")
    new = [file for file in after.files if file not in before.files]
    changed = [file for file in after.files if file not in new and after.files[file] != before.files[file]]
    if changed:
        raise BundleError(bundle, "files", changed, "files that are the same before and after")
    try:
        for file in new:
            shutil.copyfile(work / file, bundle / file)
        write_atomic(bundle / MANIFEST_NAME, read_bytes(work / MANIFEST_NAME, MAX_MANIFEST_BYTES, BundleError))
    except OSError:
        for file in new:
            (bundle / file).unlink(missing_ok=True)
        raise
    for file in set(before.files) - set(after.files):
        (bundle / file).unlink(missing_ok=True)


def _free_stem(name: str, manifest: CodecManifest) -> str:
    """What the new files' names begin with; none of the bundle's does, so that none is ever overwritten."""
    while any(file.startswith(f"{name}_") for file in manifest.files):
        name += "_again"
    return name


def _export(space: Space, robot: Embodiment, work: Path, stem: str, density: Mapping[str, object]) -> HandEntry:
    """The two networks as files, and the entry that names them."""
    encoder, decoder = space.eval().member(0)
    joints = padded(space.group, [poses.uniform(robot, SAMPLES, np.random.default_rng(0))])
    with torch.no_grad():
        latents = space.encode(joints)
        decoded = space.decode(latents)
    names = f"{stem}_encoder.onnx", f"{stem}_decoder.onnx"
    export_network(encoder, joints[0], latents[0], "joints", "latent", work / names[0])
    export_network(decoder, latents[0], decoded[0], "latent", "joints", work / names[1])
    lower, upper = (tuple(map(float, limit)) for limit in (robot.lower, robot.upper))
    fields = {"joints": tuple(robot.joints), "lower": lower, "upper": upper, "encoder": names[0], "decoder": names[1]}
    return HandEntry.model_validate(fields | dict(density))


def _density(
    bundle: Path, others: Sequence[str], robot: Embodiment, space: Space, work: Path, stem: str
) -> dict[str, object]:
    """That of the others where it accepts the new hand's latents, too, else one of its own of all hands' latents."""
    codec, (encoder, _) = Codec.load(bundle, others), space.eval().member(0)

    def encoded(hand: str, joints: np.ndarray) -> np.ndarray:
        if hand != robot.name:
            return codec.encode(hand, joints)
        with torch.no_grad():
            return encoder(torch.tensor(joints, dtype=torch.float32)).double().numpy()

    robots = [*(embodiments.load(name) for name in others), robot]
    count, first = min(density_fit.SAMPLES, DENSITY_POSES // len(robots)), others[0]
    own = latent_samples.valid(encoded, [robot], count, 1, CACHE)
    if min((codec.scores(first, z) >= codec.threshold(first)).mean() for z in own.values()) >= ENOUGH:
        entry = codec.manifest.codec.hands[first]
        return {"density": entry.density, "density_threshold": entry.density_threshold}
    density, thresholds = density_fit.fit_for_space(encoded, robots, 0, count, CACHE)
    (work / f"{stem}_density.npz").write_bytes(density.to_bytes())
    return {"density": f"{stem}_density.npz", "density_threshold": thresholds[robot.name]}


def _measured(codec: Codec, name: str) -> dict[str, float]:
    """Figures of the hand alone, and means over its pairs with the others: from_others_*, to_others_*.

    A pair with a gripper counts only where there is no other, since a gripper has one direction and a width.
    """
    encoded = encode(CodecSpace(codec), MEASURED_POSES)
    row = table5.own(encoded, name)
    for label, place in (("from_others", 1), ("to_others", 0)):
        pairs = [pair for pair in encoded.pairs() if pair[place] == name]
        pairs = [pair for pair in pairs if not any(map(encoded.is_gripper, pair))] or pairs
        figures = mean_of(table5.across(encoded, *pair) for pair in pairs)
        row |= {f"{label}_{key}": value for key, value in figures.items()}
    accepted = [codec.decode(name, latent[None])[1] is DecodeStatus.OK for latent in encoded.latents[name]]
    row["accepted_share"] = float(np.mean(accepted))
    return {key: round(float(value), 6) for key, value in row.items()}
