"""`./ws train policy`: from nothing to a policy bundle, resumable at every point."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from bringup.stages import Stage, StageError, collect, convert, evaluate, run_stages
from contracts import command_line
from contracts.bundle import load_manifest
from contracts.manifest import MANIFEST_NAME
from episodes.dataset import DATASET_FILE
from latent_codec.training.devices import make_fabric
from latent_policy_node.training.config import PolicyConfig, load_config
from latent_policy_node.training.run import CONTINUES, DEFAULT, ERRORS, learn


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status."""
    return command_line.run(command, arguments, name="train policy", errors=(*ERRORS, StageError), hint=CONTINUES)


def command(
    config: Annotated[Path, typer.Option(help="YAML file")] = DEFAULT,
    out: Annotated[Path, typer.Option(help="folder of the bundle")] = Path("models/policy"),
    codec: Annotated[Path, typer.Option(help="codec bundle whose latent space the policy works in")] = Path(
        "models/codec"
    ),
    work: Annotated[Path, typer.Option(help="bags, dataset, checkpoint")] = Path("out/train/policy"),
    dataset: Annotated[Path | None, typer.Option(help="train from this dataset, collect nothing")] = None,
    minutes: Annotated[float | None, typer.Option(min=0.01, help="training time, instead of the configured")] = None,
    evaluation: Annotated[bool, typer.Option(help="roll out in the simulation at the end")] = True,
    accelerator: Annotated[str, typer.Option(help="cpu, gpu or auto")] = "cpu",
    devices: Annotated[int, typer.Option(min=1, help="processes that train, each with a GPU of its own")] = 1,
    restart: Annotated[
        bool, typer.Option("--restart", help="train from the first step, whatever checkpoint there is")
    ] = False,
) -> int:
    """Collect, convert, train, export, evaluate; what is complete is skipped. Ctrl-C and start again to resume."""
    chosen = load_config(config)
    if minutes is not None:
        chosen = chosen.model_copy(update={"train": chosen.train.model_copy(update={"max_minutes": minutes})})
    if not evaluation:
        chosen = chosen.model_copy(update={"evaluate": chosen.evaluate.model_copy(update={"episodes": 0})})
    if restart:
        (work / "train.done").unlink(missing_ok=True)
    run_stages(stages(chosen, out, codec, work, dataset, Hardware(accelerator, devices), restart), work)
    return 0


@dataclass(frozen=True)
class Hardware:
    """What trains: see `make_fabric`."""

    accelerator: str = "cpu"
    devices: int = 1


def stages(
    config: PolicyConfig,
    out: Path,
    codec: Path,
    work: Path,
    dataset: Path | None,
    hardware: Hardware,
    restart: bool = False,
) -> list[Stage]:
    """All stages; with a dataset given, collection and conversion are left out."""
    bags, given, bf16 = work / "bags", dataset, config.train.bf16
    dataset = dataset or work / "dataset"
    demonstrations = config.model_dump(mode="json", include={"task", "collect"})
    images = demonstrations | {"size": [config.image_width, config.image_height]}
    trained = _training_settings(config, codec, dataset)
    rollouts = trained | {"rollouts": config.evaluate.model_dump(mode="json")}

    def trains() -> None:
        fabric = make_fabric(hardware.accelerator, hardware.devices, bf16=bf16)
        learn(config, dataset, codec, work, out, fabric, restart=restart)

    made = [
        Stage("collect", demonstrations, bags, lambda: collect(config, bags)),
        Stage("convert", images, dataset / DATASET_FILE, lambda: convert(config, bags, dataset)),
    ]
    learned = [Stage("train", trained | {"out": str(out)}, out / MANIFEST_NAME, trains, shared=True)]
    if config.evaluate.episodes:
        reports = work / "evaluation"
        learned.append(Stage("evaluate", rollouts, reports, lambda: evaluate(config, out, codec, reports)))
    return learned if given else made + learned


def _training_settings(config: PolicyConfig, codec: Path, dataset: Path) -> dict[str, Any]:
    settings = config.model_dump(mode="json", exclude={"evaluate"})
    # The space, not the bundle: a codec that gains a hand keeps its space.
    return settings | {"latent_space": load_manifest(codec, "codec").latent_space, "dataset": str(dataset)}


if __name__ == "__main__":
    sys.exit(main())
