"""`python -m latent_codec.training.ablation [--config FILE] [--json FILE] [--markdown FILE]`: LAD's Table III.

Trains its four rows, the configuration with and without annealing and fine-tuning, and prints self- and
cross-reconstruction on `--poses` human poses that were not trained on: SR and CR, mean over poses of the squared error
summed over joints, in deg^2 of hands and in the square of the opening 0 .. 1 of grippers. An interrupted row continues.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from rich.console import Console
from rich.table import Table

import embodiments
from contracts import command_line, results
from contracts.files import write_atomic
from latent_codec.evaluation.space import LatentSpace, TorchSpace
from latent_codec.training.config import ConfigError, TrainingConfig, load_config
from latent_codec.training.data.inputs import input_hashes
from latent_codec.training.main import CONTINUES, build_recipe
from latent_codec.training.recipes.lad import Lad, paired_joints
from latent_codec.training.trainer import Trainer, TrainingError, fingerprint

ROWS: dict[str, dict[str, bool]] = {
    "full": {},
    "no temperature annealing": {"annealing": False},
    "no fine-tuning": {"fine_tuning": False},
    "neither": {"annealing": False, "fine_tuning": False},
}
CONFIG = Path(__file__).parent / "configs" / "lad_table3.yaml"
HELD_OUT = 1_000_003  # added to the seed of the poses trained on


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status."""
    return command_line.run(command, arguments, name="ablation", errors=(TrainingError,), hint=CONTINUES)


def command(
    config: Annotated[Path, typer.Option(help="a configuration of the recipe lad (YAML)")] = CONFIG,
    poses: Annotated[int, typer.Option(min=1, help="held-out poses")] = 4000,
    work: Annotated[Path, typer.Option(help="of checkpoints")] = Path("out/train/ablation"),
    json_file: Annotated[Path | None, typer.Option("--json", help="write the same figures here")] = None,
    markdown: Annotated[Path | None, typer.Option(help="write the table into this page")] = None,
) -> int:
    """Train and measure the rows of LAD's Table III."""
    console = results.wide_console()
    rows = ablation(config, work, poses, console)
    command = results.command_line("python -m latent_codec.training.ablation")
    results.write(markdown, f"codec {config.stem}", command, console.tables)
    if json_file is not None:
        write_atomic(json_file, json.dumps(rows, indent=2, allow_nan=False) + "\n")
    return 0


def ablation(path: Path, work: Path, poses: int, console: Console) -> dict[str, dict[str, float]]:
    """Train all rows; figures such as "SR mimic" by row. Raises ConfigError."""
    config = load_config(path)
    if config.recipe != "lad":
        raise ConfigError(path, "recipe", config.recipe, "lad")
    torch.set_num_threads(config.threads)
    rows = {}
    for name, changes in ROWS.items():
        console.print(name)
        changed = config.model_copy(update={"settings": {**config.settings, **changes}})
        rows[name] = figures(trained(changed, path, work / name.replace(" ", "_"), console), config.seed, poses)
    console.print(_table(rows))
    return rows


def trained(config: TrainingConfig, path: Path, work: Path, console: Console) -> Lad:
    """The recipe after its training, or what of it was left to do."""
    recipe = build_recipe(config, str(path))
    hashes = input_hashes([embodiments.load(name) for name in config.hands])
    Trainer(recipe, config, fingerprint(config, hashes), work).run(console=console)
    return recipe


def figures(recipe: Lad, seed: int, poses: int) -> dict[str, float]:
    """SR by hand and CR by ordered pair of hands on held-out poses; the human is a source and target like any other."""
    group = recipe.space.group
    recipe.space.eval()
    held_out = recipe.settings.model_copy(update={"pairs": poses})
    paired = paired_joints(group.hands, held_out, seed + HELD_OUT)
    space = TorchSpace.from_group(group.names, recipe.space)
    own, crossed = self_and_cross_reconstruction(space, {name: paired[name] for name in group.names})
    scale = units(recipe)
    result = {f"SR {name}": value * scale[name] for name, value in own.items()}
    return result | {f"CR {source}->{to}": value * scale[to] for (source, to), value in crossed.items()}


def self_and_cross_reconstruction(
    space: LatentSpace, paired: Mapping[str, np.ndarray]
) -> tuple[dict[str, float], dict[tuple[str, str], float]]:
    """SR by hand and CR by ordered pair: mean over poses of the summed squared joint errors, in rad^2 (m^2).

    Args:
        space: What encodes and decodes.
        paired: hand -> joints (M, n), row m of every hand the same pose. CR(i, j) decodes i's latents by j.
    """
    latents = {name: space.encode(name, joints) for name, joints in paired.items()}
    errors = {
        (source, target): float(((space.decode(target, latents[source]) - paired[target]) ** 2).sum(1).mean())
        for source in paired
        for target in paired
    }
    own = {source: value for (source, target), value in errors.items() if source == target}
    return own, {pair: value for pair, value in errors.items() if pair[0] != pair[1]}


def units(recipe: Lad) -> Mapping[str, float]:
    """What squared errors in rad or m are multiplied by: to deg^2, or to the square of a gripper's opening."""
    hands = recipe.space.group.hands
    opening = {hand.name: float(np.square(hand.upper - hand.lower).sum()) for hand in hands}
    return {hand.name: 1 / opening[hand.name] if hand.kind == "gripper" else np.degrees(1) ** 2 for hand in hands}


def _table(rows: Mapping[str, Mapping[str, float]]) -> Table:
    table = Table(title="LAD, Table III: deg^2; grippers: opening^2", title_justify="left")
    table.add_column("")
    for name in next(iter(rows.values())):
        table.add_column(name, justify="right")
    for name, row in rows.items():
        table.add_row(name, *(f"{value:.3g}" for value in row.values()))
    return table


if __name__ == "__main__":
    sys.exit(main())
