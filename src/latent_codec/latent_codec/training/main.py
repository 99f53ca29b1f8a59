"""`python -m latent_codec.training.main --config FILE --out DIR`: train, export, measure; again, it continues."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

import embodiments
from contracts import plugins
from contracts.bundle import BundleError
from embodiments.registry import EmbodimentError
from latent_codec.evaluation.bench import metrics_table
from latent_codec.evaluation.tables import wide_console
from latent_codec.training.checkpoint import CheckpointError
from latent_codec.training.config import DEFAULT_CONFIG, ConfigError, TrainingConfig, load_config, validated
from latent_codec.training.data.inputs import input_hashes
from latent_codec.training.export import export_bundle
from latent_codec.training.onnx_export import ExportError
from latent_codec.training.recipes import GROUP, Recipe
from latent_codec.training.trainer import Trainer, TrainingError, fingerprint


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="train codec", description="Train a shared latent space and export it.")
    parser.add_argument("--config", type=Path, default=DEFAULT_CONFIG, help="training configuration (YAML)")
    parser.add_argument("--root", type=Path, default=Path(), help="of the workspace")
    parser.add_argument(
        "--out", type=Path, help="where the bundle goes: models/codec, or out/codec/NAME of another configuration"
    )
    parser.add_argument("--work", type=Path, help="where checkpoints go: out/train/codec, or a folder NAME in it")
    options = parser.parse_args(arguments)
    try:
        out, work = places(options.config, options.root)
        train(load_config(options.config), options.config, options.out or out, options.work or work)
    except (ConfigError, EmbodimentError, BundleError, ExportError, TrainingError, CheckpointError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; the same command continues at the last checkpoint", file=sys.stderr)
        return 130
    return 0


def places(config_path: Path, root: Path) -> tuple[Path, Path]:
    """Where bundle and checkpoints of a configuration go; models/codec is for the shipped one. Raises ConfigError."""
    config = load_config(config_path)
    if config == load_config(DEFAULT_CONFIG):
        return root / "models" / "codec", root / "out" / "train" / "codec"
    return root / "out" / "codec" / config.name, root / "out" / "train" / "codec" / config.name


def train(config: TrainingConfig, source: Path, out: Path, work: Path) -> None:
    """Train what the configuration (of the file `source`) says, or what is left of it, then export it to `out`."""
    console = wide_console()
    torch.set_num_threads(config.threads)
    torch.use_deterministic_algorithms(True, warn_only=True)
    robots = [embodiments.load(name) for name in config.hands]
    hashes = input_hashes(robots)
    trainer = Trainer(build_recipe(config, str(source)), config, fingerprint(config, hashes), work)
    trainer.run(console=console)
    manifest = export_bundle(trainer, robots, hashes, out)
    console.print(metrics_table(manifest.metrics))
    console.print(f"{manifest.latent_space} written to {out}")


def build_recipe(config: TrainingConfig, file: str) -> Recipe:
    """The recipe that the configuration names, with its settings checked. Raises ConfigError."""
    known = plugins.names(GROUP)
    if config.recipe not in known:
        raise ConfigError(f"{file}: recipe: found {config.recipe}, expected one of {', '.join(known)}")
    kind: type[Recipe] = plugins.load(GROUP, config.recipe)
    settings = validated(kind.Settings, config.settings, file, "settings.")
    return kind([embodiments.load(name) for name in config.hands], config, settings)


if __name__ == "__main__":
    sys.exit(main())
