"""Add a hand to a trained latent space whose other networks stay as they are.

Everything else of the bundle stays as it is, byte for byte, and nothing at all changes when anything goes wrong.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import torch
from pydantic import ValidationError
from rich.console import Console

import embodiments
from contracts.bundle import bundle_sha256, load_manifest
from contracts.errors import FileError
from contracts.manifest import MANIFEST_NAME, CodecManifest
from embodiments import Embodiment
from embodiments.urdf_import.importer import take_in
from latent_codec.codec import Codec
from latent_codec.training.add_hand.added import AddedHand
from latent_codec.training.add_hand.admissible import Admissible
from latent_codec.training.add_hand.bundle import Provenance, added_hands, extend, others_of
from latent_codec.training.add_hand.frozen import load_frozen
from latent_codec.training.add_hand.place import Arguments, check_name, put, workplace
from latent_codec.training.config import TrainingConfig
from latent_codec.training.crosshand_terms import Settings
from latent_codec.training.data.inputs import input_hash
from latent_codec.training.onnx_export import ExportError
from latent_codec.training.recipes.decoders import DecoderSettings
from latent_codec.training.second_stage import second_stage
from latent_codec.training.trainer import Trainer, TrainingError, fingerprint

STEPS = 7000  # of both stages
FIRST_SHARE = 3 / 7  # of the steps: of the stage that trains the encoder, too
OWN, OTHERS = 400, 160  # postures of the hand, and of all others together, in a step of the second stage
THREADS = 1  # a second one helps little on an idle machine and waits more than it works on a busy one
AT_A_TIME = 4  # other hands in a step
COARSE_SHARE = 0.75  # of the steps: see TrainingConfig
Check = Callable[[Embodiment], str]  # a robot -> what a test of it came to, for the console
ERRORS = (FileError, ExportError, TrainingError, OSError)


def add(arguments: Arguments, console: Console, check: Check | None = None) -> CodecManifest:
    """Add a hand: read it, train it, check the new bundle, and only then put robot and bundle in place.

    Args:
        arguments: What to add, and where.
        console: Where progress is printed.
        check: A test of the robot before it is trained; its text is printed.

    Returns:
        The manifest of the bundle with the hand.

    Raises:
        One of ERRORS: In one line; nothing has changed.
    """
    torch.set_num_threads(min(THREADS, os.cpu_count() or 1))
    torch.use_deterministic_algorithms(True, warn_only=True)
    manifest = load_manifest(arguments.codec, "codec")
    others = others_of(manifest, arguments.name, arguments.codec / MANIFEST_NAME, arguments.replace)
    intake = None
    if arguments.urdf is not None:
        check_name(arguments)
        intake = take_in(arguments.urdf, arguments.name, arguments.tips, arguments.options)
        console.print("\n".join(intake.report), soft_wrap=True, highlight=False)
    with workplace(intake, arguments) as work:
        robot = embodiments.load(arguments.name)
        if check is not None:
            console.print(check(robot), soft_wrap=True)
        stages = _trained(arguments, manifest, robot, [embodiments.load(name) for name in others], console)
        steps, seconds = (sum(getattr(stage, name) for stage in stages) for name in ("step", "seconds"))
        how = Provenance(steps, arguments.seed, round(seconds, 1))
        result = extend(arguments.codec, manifest, robot, stages[-1].recipe.space.cpu(), how, work)
        put(intake, arguments, work)
    for stage in stages:  # their hand is in the bundle; the next one of this name is another training
        stage.path.unlink(missing_ok=True)
    console.print(_summary(result, arguments.name), soft_wrap=True)
    console.print(f"{result.latent_space} has {arguments.name} now; ./ws demo right_hand:={arguments.name}")
    return result


def _trained(
    arguments: Arguments, manifest: CodecManifest, robot: Embodiment, others: list[Embodiment], console: Console
) -> tuple[Trainer, Trainer]:
    """The trainers of both stages, which are done."""
    count = -(-len(others) // AT_A_TIME)
    frozen = [load_frozen(arguments.codec, manifest, others[part::count]) for part in range(count)]
    settings, steps = _settings(manifest), arguments.steps or STEPS
    first_steps = max(1, round(FIRST_SHARE * steps))
    config = TrainingConfig(
        name=manifest.latent_space.partition("@")[0],
        recipe="added",
        hands=(robot.name,),
        latent_dim=manifest.codec.latent_dim,
        seed=arguments.seed,
        steps=first_steps,
        coarse_share=COARSE_SHARE,
        settings=settings.model_dump(mode="json"),
    )
    hashes = {robot.name: input_hash(robot), "codec": bundle_sha256(arguments.codec)}
    admissible = Admissible(Codec.load(arguments.codec, [other.name for other in others]))
    recipe = AddedHand(robot, frozen, admissible, config, settings)
    work, identity = arguments.work / robot.name, fingerprint(config, hashes)
    trainer = Trainer(recipe, config, identity, work, restart=arguments.restart)
    trainer.run(console=console)
    decoder = DecoderSettings(steps=max(1, steps - first_steps), own=OWN, others=OTHERS)
    second = second_stage(trainer, recipe, decoder, hashes, restart=arguments.restart)
    second.run(console=console)
    return trainer, second


def _settings(manifest: CodecManifest) -> Settings:
    """The weights the space was trained with, where it was trained by `crosshand`; else that recipe's defaults."""
    found = manifest.training.config.get("settings", {})
    try:
        return Settings.model_validate(found if manifest.training.recipe == "crosshand" else {})
    except ValidationError:
        return Settings()


def _summary(manifest: CodecManifest, name: str) -> str:
    row = added_hands(manifest)[name]
    assert isinstance(row, dict)
    shown = [f"{key} {value:g}" for key, value in row.items() if isinstance(value, float)]
    return f"{name}: " + ", ".join(shown)
