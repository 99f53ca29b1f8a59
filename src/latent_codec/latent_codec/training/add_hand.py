"""`./ws add-hand --urdf FILE --name NAME --tips thumb=LINK ...`: a new hand in a latent space that stands still.

Everything else of the bundle stays as it is, byte for byte, and nothing at all changes when anything goes wrong.
"""

from __future__ import annotations

import importlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from pydantic import ValidationError
from rich.console import Console

import embodiments
from embodiments import Embodiment, EmbodimentError, registry
from embodiments.intake import Intake, take_in, write
from latent_codec.bundle import MANIFEST_NAME, BundleError, Manifest, bundle_sha256, load_manifest
from latent_codec.inputs import input_hash
from latent_codec.training.add_bundle import Provenance, added_hands, extend, install, others_of
from latent_codec.training.add_hand_arguments import Arguments, ArgumentsError, parse
from latent_codec.training.added import AddedHand
from latent_codec.training.config import TrainingConfig
from latent_codec.training.frozen import load_frozen
from latent_codec.training.onnx_export import ExportError
from latent_codec.training.recipes.crosshand_settings import Settings
from latent_codec.training.trainer import Trainer, TrainingError, fingerprint

THREADS = 2
ERRORS = (ArgumentsError, EmbodimentError, BundleError, ExportError, TrainingError, OSError)


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status."""
    try:
        add(parse(arguments), Console())
    except ERRORS as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped, nothing changed; the same command continues at the last checkpoint", file=sys.stderr)
        return 130
    return 0


def add(arguments: Arguments, console: Console) -> Manifest:
    """Take the hand in, train it, prove the new bundle, and only then put both in place."""
    torch.set_num_threads(min(THREADS, os.cpu_count() or 1))
    torch.use_deterministic_algorithms(True, warn_only=True)
    manifest = load_manifest(arguments.codec, "codec")
    others = others_of(manifest, arguments.name, arguments.codec / MANIFEST_NAME, arguments.replace)
    intake = None
    if arguments.urdf is not None:
        _check_name(arguments, manifest)
        intake = take_in(arguments.urdf, arguments.name, arguments.tips, arguments.options)
        console.print("\n".join(intake.report), soft_wrap=True, highlight=False)
    with _workplace(intake, arguments) as work:
        robot = embodiments.load(arguments.name)
        if arguments.check:
            console.print(_grasped(robot), soft_wrap=True)
        trainer = _trained(arguments, manifest, robot, [embodiments.load(name) for name in others], console)
        how = Provenance(trainer.step, arguments.seed, round(trainer.seconds, 1))
        result = extend(arguments.codec, manifest, robot, trainer.recipe.space, how, work)
        _put(intake, arguments, work)
    console.print(_summary(result, arguments.name), soft_wrap=True)
    console.print(f"{result.latent_space} has {arguments.name} now; ./ws demo right_hand:={arguments.name}")
    return result


def _check_name(arguments: Arguments, manifest: Manifest) -> None:
    """A robot that exists is only overwritten by --replace, and only one that was added."""
    own = arguments.robots / f"{arguments.name}.yaml"
    if (registry.DATA / own.name).exists() or (own.exists() and not arguments.replace):
        hint = "" if not own.exists() else f"; without --urdf, {own} is taken as it is; --replace makes it anew"
        raise EmbodimentError("arguments", "name", arguments.name, f"a name that no robot has yet{hint}")


@contextmanager
def _workplace(intake: Intake | None, arguments: Arguments) -> Iterator[Path]:
    """An empty folder for the new bundle. While this lasts, the registry knows the new hand, written nowhere yet."""
    before, own = os.environ.get(registry.FOLDERS_VARIABLE), arguments.robots.resolve()
    kept = [text for text in (before or "").split(os.pathsep) if text and Path(text).resolve() != own]
    with tempfile.TemporaryDirectory(dir=arguments.codec.parent, prefix=".added.") as temporary:
        bundle, folder = Path(temporary).resolve() / "bundle", Path(temporary).resolve() / "robots"
        bundle.mkdir()
        if arguments.robots.is_dir():
            shutil.copytree(arguments.robots, folder)
        if intake is not None:
            write(intake, folder, replace=True)
        os.environ[registry.FOLDERS_VARIABLE] = os.pathsep.join((str(folder), *kept))
        try:
            yield bundle
        finally:
            os.environ.pop(registry.FOLDERS_VARIABLE)
            if before is not None:
                os.environ[registry.FOLDERS_VARIABLE] = before


def _trained(
    arguments: Arguments, manifest: Manifest, robot: Embodiment, others: list[Embodiment], console: Console
) -> Trainer:
    assert manifest.codec is not None
    frozen = load_frozen(arguments.codec, manifest, others)
    settings = _settings(manifest)
    config = TrainingConfig(
        name=manifest.latent_space.partition("@")[0],
        recipe="added",
        hands=(robot.name,),
        latent_dim=manifest.codec.latent_dim,
        seed=arguments.seed,
        steps=arguments.steps,
        settings=settings.model_dump(mode="json"),
    )
    hashes = {robot.name: input_hash(robot), "codec": bundle_sha256(arguments.codec)}
    recipe = AddedHand(robot, others, frozen, config, settings)
    trainer = Trainer(recipe, config, fingerprint(config, hashes), arguments.work)
    if trainer.step:
        console.print(f"continuing at step {trainer.step} of {config.steps} ({trainer.path})")
    trainer.run(console=console)
    return trainer


def _settings(manifest: Manifest) -> Settings:
    """The weights the space was trained with, where it was trained by `crosshand`; else that recipe's defaults."""
    found = manifest.training.config.get("settings", {})
    try:
        return Settings.model_validate(found if manifest.training.recipe == "crosshand" else {})
    except ValidationError:
        return Settings()


def _grasped(robot: Embodiment) -> str:
    """How many of the grasps of a can succeed in simulation, with the approach up to 15 mm off."""
    try:  # by name, because simulation stands above this package; only this optional check looks up
        search = importlib.import_module("simulation.grasp_search")
    except ImportError as error:
        raise ArgumentsError(f"--check: found no simulation ({error}), expected it to be installed") from None
    hand, postures = search.FloatingHand(robot), dict(robot.postures)
    tried = [hand.attempt(robot.grasp_frame, np.asarray(offset, float), postures) for offset in search.DISTURBANCES_M]
    held = sum(trial.lifted for trial in tried)
    hint = "" if held == len(tried) else f"; for a better frame: ./ws run simulation grasp_search {robot.name}"
    return f"check: a can is held in {held} of {len(tried)} simulated grasps{hint}"


def _put(intake: Intake | None, arguments: Arguments, work: Path) -> None:
    """Robot first, bundle second; should the second fail, the first is undone."""
    files = [arguments.robots / f"{arguments.name}.{ending}" for ending in ("yaml", "urdf")]
    before = {path: path.read_bytes() for path in files if path.exists()}
    try:
        if intake is not None:
            write(intake, arguments.robots, replace=True)
        install(work, arguments.codec)
    except BaseException:
        for path in files:
            path.unlink(missing_ok=True) if path not in before else path.write_bytes(before[path])
        raise


def _summary(manifest: Manifest, name: str) -> str:
    row = added_hands(manifest)[name]
    assert isinstance(row, dict)
    shown = [f"{key} {value:g}" for key, value in row.items() if isinstance(value, float)]
    return f"{name}: " + ", ".join(shown)


if __name__ == "__main__":
    sys.exit(main())
