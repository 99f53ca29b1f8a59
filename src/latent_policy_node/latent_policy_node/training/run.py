"""From a dataset to a policy bundle: `python -m latent_policy_node.training.run`, alone or started by torchrun."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from lightning_fabric import Fabric
from rich.console import Console

from contracts import command_line
from contracts.bundle import bundle_sha256
from contracts.errors import FileError
from contracts.files import write_atomic
from contracts.framing import size_text
from contracts.image_contract import Framing
from latent_codec.codec import Codec
from latent_codec.training.devices import DevicesError, make_fabric
from latent_codec.training.onnx_export import ExportError
from latent_policy_node.dataset import DatasetError, load
from latent_policy_node.demonstrations import Demonstrations
from latent_policy_node.training.config import PolicyConfig, default_config, load_config
from latent_policy_node.training.export import Origin, Sampler, export
from latent_policy_node.training.progress import TrainingProgress
from latent_policy_node.training.trainer import Trainer

DEFAULT = default_config()
HELD_OUT = ("wrist_mm", "wrist_mm_p90", "wrist_deg", "latent")
ERRORS = (FileError, ExportError, DevicesError, OSError)  # FileError: bundles, configurations, checkpoints
CONTINUES = "the same command continues at the last checkpoint"


def learn(
    config: PolicyConfig, dataset: Path, codec: Path, work: Path, out: Path, fabric: Fabric, *, restart: bool = False
) -> None:
    """Train a policy, or what is left of its training, and export it.

    Args:
        config: The whole configuration of the policy.
        dataset: Folder of the demonstrations.
        codec: Bundle whose latent space the policy works in.
        work: Folder of the checkpoint and the history of the training.
        out: Folder of the bundle.
        fabric: Device and processes; the first process prints and writes.
        restart: Whether to start from the first step, whatever checkpoint there is.

    Raises:
        One of ERRORS: In one line.
    """
    console = Console(quiet=not fabric.is_global_zero)
    trainer = prepare(config, dataset, codec, work, console, fabric, restart=restart)
    train(trainer, console)
    if fabric.is_global_zero:
        write_bundle(trainer, codec, out, console)


def prepare(
    config: PolicyConfig,
    dataset: Path,
    codec: Path,
    work: Path,
    console: Console,
    fabric: Fabric | None = None,
    *,
    restart: bool = False,
) -> Trainer:
    """A trainer on the dataset in the codec's latent space, resumed if there is a checkpoint and no `restart`."""
    data = load(dataset, Codec.load(codec), config.camera)
    _check_size(config, data)
    console.print(
        f"{len(data.images)} frames of {len(data.pair)} episodes, hands {', '.join(data.pairs)}; "
        f"latent space {data.latent_space}",
        highlight=False,
    )
    trainer = Trainer(config, data, work / "checkpoint.safetensors", fabric=fabric)
    if not restart and trainer.resume():
        console.print(f"resumed at step {trainer.step}, {trainer.seconds / 60:.1f} min", highlight=False)
    return trainer


def train(trainer: Trainer, console: Console) -> None:
    """Train to the end of the schedule."""
    with TrainingProgress(console) as progress:
        trainer.report = progress
        trainer.run()
    if trainer.fabric.is_global_zero:
        write_atomic(trainer.path.with_name("history.json"), json.dumps(trainer.history, indent=1))


def write_bundle(trainer: Trainer, codec: Path, out: Path, console: Console) -> None:
    """Export the averaged weights, with their origin."""
    config, data = trainer.config, trainer.data
    origin = Origin(
        name=config.name,
        latent_space=data.latent_space,
        axes=data.axes,
        period_s=round(data.period_s, 6),
        camera=config.camera,
        framing=data.framing,
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
    manifest = export(Sampler(trainer.average.cpu(), trainer.scale), size, origin, out)
    console.print(
        f"wrote {out}: {manifest.id}, {manifest.files['policy.onnx'].bytes / 1e6:.1f} MB, "
        f"ONNX within {manifest.metrics['onnx_parity']:.1e} of PyTorch",
        highlight=False,
    )
    console.print(f"images: {_images(data.framing, size)}", highlight=False)


def _images(framing: Framing, size: tuple[int, int]) -> str:
    """What the bundle states of the images it was trained on."""
    cut = {"same": "whole", "crop": "cropped", "pad": "padded"}[framing.fit]
    if framing.fovy_deg is None:
        return f"{size_text(size)}, {cut}; field of view unknown or several, a camera's will not be checked"
    return f"{size_text(size)}, {cut}, vertical field of view {framing.fovy_deg:.1f} degrees"


def _metrics(trainer: Trainer) -> dict[str, Any]:
    last = trainer.history[-1] if trainer.history else {}
    frames = int(np.isin(trainer.data.episode, trainer.training).sum())
    errors = {f"held_out_{name}": round(last[name], 4) for name in HELD_OUT if name in last}
    return errors | {"training_frames": frames, "validation_episodes": len(trainer.validation)}


def _check_size(config: PolicyConfig, data: Demonstrations) -> None:
    found, expected = data.images.shape[1:3], (config.image_height, config.image_width)
    if found != expected:
        raise DatasetError(f"dataset: image size (h, w): found {found}, expected {expected} as configured")


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status."""
    return command_line.run(command, arguments, name="train policy", errors=ERRORS, hint=CONTINUES)


def command(
    dataset: Annotated[Path, typer.Option(help="folder of the demonstrations")],
    config: Annotated[Path, typer.Option(help="YAML file")] = DEFAULT,
    codec: Annotated[Path, typer.Option(help="codec bundle")] = Path("models/codec"),
    work: Annotated[Path, typer.Option(help="of the checkpoint")] = Path("out/train/policy"),
    out: Annotated[Path, typer.Option(help="of the bundle")] = Path("models/policy"),
    accelerator: Annotated[str, typer.Option(help="cpu, gpu or auto")] = "cpu",
    devices: Annotated[int, typer.Option(min=1, help="processes on this machine, each with a GPU of its own")] = 1,
    restart: Annotated[
        bool, typer.Option("--restart", help="from the first step, whatever checkpoint there is")
    ] = False,
) -> int:
    """Train a policy on a dataset and export it; an interrupted training continues."""
    chosen = load_config(config)
    fabric = make_fabric(accelerator, devices, bf16=chosen.train.bf16)
    learn(chosen, dataset, codec, work, out, fabric, restart=restart)
    return 0


if __name__ == "__main__":
    sys.exit(main())
