"""`python -m latent_codec.training.main --config FILE --out DIR`: train, export, measure; again, it continues."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from lightning_fabric import Fabric

import embodiments
from contracts import command_line, plugins
from contracts.errors import FileError, validate
from contracts.results import wide_console
from latent_codec.evaluation.tables import metrics_table
from latent_codec.training.config import DEFAULT_CONFIG, ConfigError, TrainingConfig, load_config
from latent_codec.training.data.inputs import input_hashes
from latent_codec.training.devices import DevicesError, make_fabric
from latent_codec.training.export import Trained, export_bundle
from latent_codec.training.onnx_export import ExportError
from latent_codec.training.recipes import GROUP, HasDecoders, Recipe
from latent_codec.training.second_stage import second_stage
from latent_codec.training.trainer import Trainer, TrainingError, fingerprint

ERRORS = (FileError, ExportError, TrainingError, DevicesError, OSError)
CONTINUES = "the same command continues at the last checkpoint"


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status."""
    return command_line.run(command, arguments, name="train codec", errors=ERRORS, hint=CONTINUES)


def command(
    config: Annotated[Path, typer.Option(help="training configuration (YAML)")] = DEFAULT_CONFIG,
    root: Annotated[Path, typer.Option(help="of the workspace")] = Path(),
    out: Annotated[
        Path | None, typer.Option(help="of the bundle: models/codec, or out/codec/NAME of another configuration")
    ] = None,
    work: Annotated[Path | None, typer.Option(help="of checkpoints: out/train/codec, or a folder NAME in it")] = None,
    accelerator: Annotated[str, typer.Option(help="cpu, gpu or auto")] = "cpu",
    devices: Annotated[int, typer.Option(min=1, help="processes on this machine, each with a GPU of its own")] = 1,
    restart: Annotated[
        bool, typer.Option("--restart", help="from the first step, whatever checkpoint there is")
    ] = False,
) -> int:
    """Train a shared latent space and export it; an interrupted training continues."""
    default_out, default_work = places(config, root)
    chosen = load_config(config)
    train(chosen, config, out or default_out, work or default_work, make_fabric(accelerator, devices), restart=restart)
    return 0


def places(config_path: Path, root: Path) -> tuple[Path, Path]:
    """Where bundle and checkpoints of a configuration go; models/codec is for the shipped one. Raises ConfigError."""
    config = load_config(config_path)
    if config == load_config(DEFAULT_CONFIG):
        return root / "models" / "codec", root / "out" / "train" / "codec"
    return root / "out" / "codec" / config.name, root / "out" / "train" / "codec" / config.name


def train(
    config: TrainingConfig, source: Path, out: Path, work: Path, fabric: Fabric | None = None, *, restart: bool = False
) -> None:
    """Train what is left of a training, then export it.

    Args:
        config: The configuration.
        source: File of the configuration, for messages.
        out: Folder of the bundle.
        work: Folder of the checkpoint.
        fabric: Device and processes; by default the CPU and this process.
        restart: Whether to start from the first step, whatever checkpoint there is.

    Raises:
        One of ERRORS: In one line.
    """
    console = wide_console()
    torch.set_num_threads(config.threads)
    torch.use_deterministic_algorithms(True, warn_only=True)
    robots = [embodiments.load(name) for name in config.hands]
    hashes = input_hashes(robots)
    recipe = build_recipe(config, str(source))
    settings = _decoder_settings(recipe, config, source) if config.decoders else None
    trainer = Trainer(recipe, config, fingerprint(config, hashes), work, fabric, restart=restart)
    trainer.run(console=console)
    trained = Trained(config, trainer.step, trainer.seconds, trainer.recipe.space)
    if settings is not None and isinstance(recipe, HasDecoders):
        second = second_stage(trainer, recipe, settings, hashes, restart=restart)
        second.run(console=console)
        trained = Trained(config, trainer.step + second.step, trainer.seconds + second.seconds, second.recipe.space)
    if not trainer.fabric.is_global_zero:
        return
    manifest = export_bundle(trained, robots, hashes, out)
    console.print(metrics_table(manifest.metrics))
    console.print(f"{manifest.latent_space} written to {out}")


def _decoder_settings(recipe: Recipe, config: TrainingConfig, source: Path) -> Any:
    """Settings of the second stage. Raises ConfigError where the recipe has none or one is wrong."""
    if not isinstance(recipe, HasDecoders):
        raise ConfigError(source, "decoders", config.decoders, f"nothing: {config.recipe} has no second stage")
    return validate(recipe.DecoderSettings, config.decoders, source, ConfigError, "decoders.")


def build_recipe(config: TrainingConfig, file: str) -> Recipe:
    """The recipe that the configuration names, with its settings checked. Raises ConfigError."""
    known = plugins.names(GROUP)
    if config.recipe not in known:
        raise ConfigError(file, "recipe", config.recipe, f"one of {', '.join(known)}")
    kind: type[Recipe] = plugins.load(GROUP, config.recipe)
    settings = validate(kind.Settings, config.settings, file, ConfigError, "settings.")
    return kind([embodiments.load(name) for name in config.hands], config, settings)


if __name__ == "__main__":
    sys.exit(main())
