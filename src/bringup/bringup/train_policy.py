"""`python -m bringup.train_policy`: from nothing to a policy bundle, resumable at every point."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console

from bringup.stages import Stage, StageError, collect, convert, evaluate, run_stages
from contracts.bundle import MANIFEST_NAME, bundle_sha256, load_manifest
from contracts.errors import FileError
from episodes.dataset import DATASET_FILE
from latent_codec.codec import Codec
from latent_policy_node.dataset import DatasetError, load
from latent_policy_node.demonstrations import Demonstrations
from latent_policy_node.training.config import PolicyConfig, default_config, load_config
from latent_policy_node.training.export import ExportError, Origin, Sampler, export
from latent_policy_node.training.progress import TrainingProgress
from latent_policy_node.training.trainer import Trainer

DEFAULT = default_config()
ERRORS = ("wrist_mm", "wrist_mm_p90", "wrist_deg", "latent")
KNOWN_ERRORS = (FileError, ExportError, StageError)


def prepare(config: PolicyConfig, dataset: Path, codec: Path, work: Path, console: Console) -> Trainer:
    """A trainer on the dataset in the codec's latent space, resumed if there is a checkpoint."""
    data = load(dataset, Codec.load(codec), config.camera)
    _check_size(config, data)
    console.print(
        f"{len(data.images)} frames of {len(data.pair)} episodes, hands {', '.join(data.pairs)}; "
        f"latent space {data.latent_space}",
        highlight=False,
    )
    trainer = Trainer(config, data, work / "checkpoint.safetensors")
    if trainer.resume():
        console.print(f"resumed at step {trainer.step}, {trainer.seconds / 60:.1f} min", highlight=False)
    return trainer


def train(trainer: Trainer, console: Console) -> None:
    """Train to the end of the schedule."""
    with TrainingProgress(console) as progress:
        trainer.report = progress
        trainer.run()
    Path(trainer.path).with_name("history.json").write_text(json.dumps(trainer.history, indent=1))


def write_bundle(trainer: Trainer, codec: Path, out: Path, console: Console) -> None:
    """Export the averaged weights, with their origin."""
    config, data = trainer.config, trainer.data
    origin = Origin(
        name=config.name,
        latent_space=data.latent_space,
        axes=data.axes,
        period_s=round(data.period_s, 6),
        camera=config.camera,
        recipe="latent_policy_node.training diffusion",
        config=config.model_dump(mode="json"),
        inputs={"dataset": data.digest, "codec": bundle_sha256(codec), "hands": " ".join(data.pairs)},
        steps=trainer.step,
        seed=config.train.seed,
        seconds=trainer.seconds,
        metrics=_metrics(trainer),
        options={"task": config.task, "denoising_steps": config.model.inference_steps},
    )
    size = (config.image_height, config.image_width)
    manifest = export(Sampler(trainer.average, trainer.scale), size, origin, out)
    console.print(
        f"wrote {out}: {manifest.id}, {manifest.files['policy.onnx'].bytes / 1e6:.1f} MB, "
        f"ONNX within {manifest.metrics['onnx_parity']:.1e} of PyTorch",
        highlight=False,
    )


def stages(
    config: PolicyConfig, out: Path, codec: Path, work: Path, dataset: Path | None, console: Console
) -> list[Stage]:
    """All stages; with a dataset given, collection and conversion are left out."""
    bags, given = work / "bags", dataset
    dataset = dataset or work / "dataset"
    demonstrations = config.model_dump(mode="json", include={"task", "collect"})
    images = demonstrations | {"size": [config.image_width, config.image_height]}
    trained = _training_settings(config, codec, dataset)
    rollouts = trained | {"rollouts": config.evaluate.model_dump(mode="json")}

    def learn() -> None:
        trainer = prepare(config, dataset, codec, work, console)
        train(trainer, console)
        write_bundle(trainer, codec, out, console)

    made = [
        Stage("collect", demonstrations, bags, lambda: collect(config, bags)),
        Stage("convert", images, dataset / DATASET_FILE, lambda: convert(config, bags, dataset)),
    ]
    learned = [Stage("train", trained | {"out": str(out)}, out / MANIFEST_NAME, learn)]
    if config.evaluate.episodes:
        reports = work / "evaluation"
        learned.append(Stage("evaluate", rollouts, reports, lambda: evaluate(config, out, codec, reports)))
    return learned if given else made + learned


def _training_settings(config: PolicyConfig, codec: Path, dataset: Path) -> dict[str, Any]:
    settings = config.model_dump(mode="json", exclude={"evaluate"})
    # The space, not the bundle: a codec that gains a hand speaks the same space.
    return settings | {"latent_space": load_manifest(codec, "codec").latent_space, "dataset": str(dataset)}


def _metrics(trainer: Trainer) -> dict[str, Any]:
    last = trainer.history[-1] if trainer.history else {}
    frames = int(np.isin(trainer.data.episode, trainer.training).sum())
    errors = {f"held_out_{name}": round(last[name], 4) for name in ERRORS if name in last}
    return errors | {"training_frames": frames, "validation_episodes": len(trainer.validation)}


def _check_size(config: PolicyConfig, data: Demonstrations) -> None:
    found, expected = data.images.shape[1:3], (config.image_height, config.image_width)
    if found != expected:
        raise DatasetError(f"dataset: image size (h, w): found {found}, expected {expected} as configured")


def run(
    config: Annotated[Path, typer.Option(help="YAML file")] = DEFAULT,
    out: Annotated[Path, typer.Option(help="folder of the bundle")] = Path("models/policy"),
    codec: Annotated[Path, typer.Option(help="codec bundle whose latent space the policy speaks")] = Path(
        "models/codec"
    ),
    work: Annotated[Path, typer.Option(help="bags, dataset, checkpoint")] = Path("out/train/policy"),
    dataset: Annotated[Path | None, typer.Option(help="train from this dataset, collect nothing")] = None,
    minutes: Annotated[float | None, typer.Option(min=0.01, help="training time, instead of the configured")] = None,
    evaluation: Annotated[bool, typer.Option(help="roll out in the simulation at the end")] = True,
) -> None:
    """Collect, convert, train, export, evaluate; what is complete is skipped. Ctrl-C and start again to resume."""
    console = Console()
    try:
        chosen = load_config(config)
        if minutes is not None:
            chosen = chosen.model_copy(update={"train": chosen.train.model_copy(update={"max_minutes": minutes})})
        if not evaluation:
            chosen = chosen.model_copy(update={"evaluate": chosen.evaluate.model_copy(update={"episodes": 0})})
        run_stages(stages(chosen, out, codec, work, dataset, console), work, console)
    except KNOWN_ERRORS as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        print("interrupted; start again to go on from the last checkpoint", file=sys.stderr)
        raise typer.Exit(130) from None


if __name__ == "__main__":
    typer.run(run)
