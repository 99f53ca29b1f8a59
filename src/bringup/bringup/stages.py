"""The stages around training: collect, convert, evaluate. A stage whose output is complete is skipped.

A stage that finished leaves `<stage>.done` with the settings it ran with; other settings make it run again. An
interrupted stage keeps what it has done (bags, converted episodes, checkpoints) and continues there.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from contracts.errors import FileError
from contracts.files import read_json, write_atomic
from contracts.rendering import RenderError
from episodes.convert import convert as convert_bags
from episodes.convert import find_bags
from episodes.extract import Settings
from latent_policy_node.training.config import PolicyConfig
from simulation.collect import run as demonstrate
from simulation.evaluate import assemble, roll_out


class StageError(RuntimeError):
    """A stage failed; the message names the stage and why."""


@dataclass(frozen=True)
class Stage:
    """One step on the way to a policy.

    Attributes:
        settings: Everything that the outcome depends on.
        output: What is there when the stage is complete.
        shared: Whether all processes of a training run it, instead of the first alone.
    """

    name: str
    settings: Mapping[str, Any]
    output: Path
    run: Callable[[], None]
    shared: bool = False


def run_stages(stages: Sequence[Stage], work: Path) -> None:
    """Run what is not complete, in order. Raises whatever a stage raises; the next start continues there."""
    first = int(os.environ.get("RANK", os.environ.get("LOCAL_RANK", "0"))) == 0
    console = Console(quiet=not first)
    for number, stage in enumerate(stages, 1):
        title = f"[{number}/{len(stages)}] {stage.name}"
        if is_complete(stage, work):
            console.print(f"{title}: complete, in {stage.output}", highlight=False, markup=False)
            continue
        if not (first or stage.shared):
            continue
        console.print(title, highlight=False, markup=False)
        stage.run()
        if first:
            write_atomic(_marker(stage, work), json.dumps(_plain(stage.settings), indent=1))


def is_complete(stage: Stage, work: Path) -> bool:
    """Whether the stage ran to its end with the same settings and its output is still there."""
    try:
        done = read_json(_marker(stage, work))
    except FileError:
        return False
    return done == _plain(stage.settings) and stage.output.exists()


def collect(config: PolicyConfig, out: Path) -> None:
    """Record demonstrations as bags; complete ones are kept."""
    chosen = config.collect
    demonstrate(
        out=out,
        pairs=",".join(chosen.pairs),
        episodes=chosen.episodes,
        task=config.task,
        seed=chosen.seed,
        workers=chosen.workers,
        looks=chosen.looks,
    )


def convert(config: PolicyConfig, bags: Path, out: Path) -> None:
    """Turn the bags into a training dataset. Raises StageError where a bag cannot be converted."""
    settings = Settings(size=(config.image_height, config.image_width))
    report = convert_bags(find_bags([bags]), out, settings, workers=config.collect.workers)
    if report.refused:
        raise StageError(f"convert: {len(report.refused)} bags refused; the first: {report.refused[0]}")


def evaluate(config: PolicyConfig, policy: Path, codec: Path, out: Path) -> None:
    """Roll the exported bundle out in the simulation, once for each pair of hands; one JSON file each.

    Raises:
        StageError: The world cannot be built or rendered.
    """
    for pair in config.evaluate.pairs:
        left, right = pair.split(":")
        try:
            bench = assemble(left, right, config.task, (policy, codec))
        except (ValueError, OSError, RenderError) as error:
            raise StageError(f"evaluate: {' '.join(str(error).split())}") from None
        result = roll_out(bench, config.evaluate.episodes, config.evaluate.seed, continuous=False)
        low, high = result["wilson_95"]
        print(f"{left} | {right}: {result['successes']}/{result['picks']} picks, 95 % interval {low:.2f}-{high:.2f}")
        write_atomic(out / f"{left}_{right}.json", json.dumps(result, indent=2) + "\n")


def _marker(stage: Stage, work: Path) -> Path:
    return work / f"{stage.name}.done"


def _plain(settings: Mapping[str, Any]) -> Any:
    return json.loads(json.dumps(settings, default=str))
