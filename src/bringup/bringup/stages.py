"""The stages before and after training: each a command in a process of its own, skipped when its output is complete.

A stage that finished leaves `<stage>.done` with the settings it ran with; other settings make it run again. What a
stage's command has already done (bags, converted episodes) it keeps itself.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from latent_policy_node.training.config import PolicyConfig


class StageError(RuntimeError):
    """A stage's command failed; the message names the stage, its exit code and the command."""


@dataclass(frozen=True)
class Stage:
    """One step on the way to a policy. `settings` is everything its outcome depends on."""

    name: str
    settings: Mapping[str, Any]
    output: Path
    run: Callable[[], None]


def run_stages(stages: Sequence[Stage], work: Path, console: Console) -> None:
    """Run what is not complete, in order. Raises whatever a stage raises; the next start goes on there."""
    work.mkdir(parents=True, exist_ok=True)
    for number, stage in enumerate(stages, 1):
        title = f"[{number}/{len(stages)}] {stage.name}"
        if is_complete(stage, work):
            console.print(f"{title}: complete, in {stage.output}", highlight=False, markup=False)
            continue
        console.print(title, highlight=False, markup=False)
        stage.run()
        _mark(stage, work)


def is_complete(stage: Stage, work: Path) -> bool:
    """Whether the stage ran to its end with the same settings and its output is still there."""
    try:
        done = json.loads(_marker(stage, work).read_text())
    except (OSError, ValueError):
        return False
    return done == _plain(stage.settings) and stage.output.exists()


def command(stage: str, *arguments: str) -> None:
    """Run `python arguments...`; Ctrl-C reaches it too. Raises StageError."""
    line = [sys.executable, *arguments]
    code = subprocess.run(line, check=False).returncode
    if code != 0:
        raise StageError(f"{stage}: exit code {code} of: {' '.join(line)}")


def collect(config: PolicyConfig, out: Path) -> None:
    """Record demonstrations as bags."""
    chosen = config.collect
    options = {"task": config.task, "pairs": ",".join(chosen.pairs), "episodes": chosen.episodes, "out": out}
    options |= {"seed": chosen.seed, "workers": chosen.workers}
    command("collect", "-m", "simulation.collect", *_flags(options))


def convert(config: PolicyConfig, bags: Path, out: Path) -> None:
    """Turn the bags into a training dataset."""
    size = {"width": config.image_width, "height": config.image_height, "workers": config.collect.workers}
    command("convert", "-m", "episodes.convert", str(bags), *_flags({"out": out} | size))


def evaluate(config: PolicyConfig, policy: Path, codec: Path, out: Path) -> None:
    """Roll the exported bundle out in the simulation, once for each pair of hands; one JSON file each."""
    out.mkdir(parents=True, exist_ok=True)
    for pair in config.evaluate.pairs:
        left, right = pair.split(":")
        options = {"task": config.task, "left": left, "right": right, "episodes": config.evaluate.episodes}
        options |= {"seed": config.evaluate.seed, "json": out / f"{left}_{right}.json"}
        options |= {"policy": policy, "codec": codec}
        command("evaluate", "-m", "simulation.evaluate", *_flags(options))


def _flags(options: Mapping[str, object]) -> list[str]:
    return [text for name, value in options.items() for text in (f"--{name}", str(value))]


def _marker(stage: Stage, work: Path) -> Path:
    return work / f"{stage.name}.done"


def _mark(stage: Stage, work: Path) -> None:
    _marker(stage, work).write_text(json.dumps(_plain(stage.settings), indent=1))


def _plain(settings: Mapping[str, Any]) -> Any:
    return json.loads(json.dumps(settings, default=str))
