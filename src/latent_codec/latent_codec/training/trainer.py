"""The training loop of a latent space: AdamW, learning rates, clipping, progress, checkpoints. Knows no recipe."""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Mapping
from pathlib import Path

import torch
from lightning_fabric import Fabric
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from torch import Tensor

from contracts.progress import Lines
from latent_codec.training import checkpoint
from latent_codec.training.checkpoint import ADVICE, CheckpointError
from latent_codec.training.config import TrainingConfig
from latent_codec.training.devices import Share, average_gradients, make_fabric
from latent_codec.training.model import Space
from latent_codec.training.recipes import Recipe

CHECKPOINT_NAME = "checkpoint.safetensors"


class TrainingError(RuntimeError):
    """A training that cannot go on; one line."""


class Trainer:
    """Trains one recipe in a work directory; created again there, it continues at the last checkpoint.

    Attributes:
        step: Steps that are done.
        seconds: Time that they took.
        parameters: What is learned, by name.
    """

    def __init__(
        self,
        recipe: Recipe,
        config: TrainingConfig,
        fingerprint: str,
        work: Path,
        fabric: Fabric | None = None,
        *,
        restart: bool = False,
    ) -> None:
        """Move the recipe to its device and read the checkpoint.

        Args:
            recipe: The networks and their loss.
            config: Length, rates and seed of the training.
            fingerprint: Identity of the training; a checkpoint with another one is refused.
            work: Folder of the checkpoint.
            fabric: Device and processes; by default the CPU and this process.
            restart: Whether to start from the first step, whatever checkpoint there is.

        Raises:
            CheckpointError: The checkpoint is damaged, or of another training.
        """
        self.fabric = fabric or make_fabric()
        self.recipe, self.config, self.fingerprint = recipe.to(self.fabric.device), config, fingerprint
        self.path = Path(work) / CHECKPOINT_NAME
        self.parameters = recipe.space.trainable()
        self.optimizer = torch.optim.AdamW(by_part(self.parameters), weight_decay=config.weight_decay)
        self.rates = getattr(recipe, "learning_rates", lambda step: {})
        self.step, self.seconds, self.note = 0, 0.0, ""
        if not restart:
            self._restore()

    def run(self, steps: int | None = None, console: Console | None = None) -> dict[str, float]:
        """Train up to the configured number of steps.

        Args:
            steps: Most steps to train now.
            console: Where progress is printed, by the first process alone.

        Returns:
            The last loss and its parts.

        Raises:
            TrainingError: The loss is not finite.
        """
        last = self.config.steps if steps is None else min(self.step + steps, self.config.steps)
        parts: dict[str, float] = {}
        started, before, first = time.monotonic(), self.seconds, self.step
        self.recipe.space.train()
        self._share(Share(self.fabric))
        lines = Lines(console if self.fabric.is_global_zero else Console(quiet=True))
        with _progress(lines.console) as progress:
            if self.note:
                progress.console.print(self.note, soft_wrap=True, highlight=False)
            task = progress.add_task("training", total=self.config.steps, completed=self.step, detail="")
            while self.step < last:
                parts = self._advance()
                self.seconds = before + time.monotonic() - started
                speed = (self.step - first) / max(self.seconds - before, 1e-6)
                detail = f"loss {parts['loss']:.3g}, {speed:.1f} steps/s"
                progress.update(task, completed=self.step, detail=detail)
                lines.show(f"step {self.step} of {self.config.steps}: {detail}")
                if self.step % self.config.checkpoint_every == 0 or self.step == last:
                    self._save()
                    text = f"step {self.step}, {self.seconds:.0f} s, {speed:.1f} steps/s: {_summary(parts)}"
                    progress.console.print(text, soft_wrap=True)
        self.recipe.space.coarse = False
        self._share(Share())
        return parts

    def _share(self, share: Share) -> None:
        for module in self.recipe.modules():
            if isinstance(module, Space):
                module.share = share

    def _save(self) -> None:
        if self.fabric.is_global_zero:
            tensors = checkpoint.named("model", self.parameters)
            tensors |= checkpoint.named("optimizer", checkpoint.optimizer_tensors(self.optimizer))
            content = {"fingerprint": self.fingerprint, "step": self.step, "seconds": self.seconds}
            checkpoint.save(self.path, tensors, content | {"config": self.config.model_dump(mode="json")})

    def _restore(self) -> None:
        """Continue from the checkpoint, if there is one of this training; say so in `note`."""
        found = checkpoint.load(self.path)
        if found is None:
            return
        tensors, content = found
        if content["fingerprint"] != self.fingerprint:
            trained = f"step {content['step']} of another training ({content['fingerprint'][:12]})"
            raise CheckpointError(self.path, "", trained, f"one of this training ({self.fingerprint[:12]}){ADVICE}")
        checkpoint.copy_into(self.parameters, checkpoint.part(tensors, "model"), self.path)
        checkpoint.restore_optimizer(self.optimizer, checkpoint.part(tensors, "optimizer"))
        self.step, self.seconds = content["step"], content["seconds"]
        self.note = f"continuing at step {self.step} of {self.config.steps} ({self.path})"

    def _advance(self) -> dict[str, float]:
        """One optimiser step."""
        rates, usual = self.rates(self.step), learning_rate(self.step, self.config)
        for group in self.optimizer.param_groups:
            group["lr"] = rates.get(group["name"], usual)
        # Dropout differs between the processes, which each have other rows.
        torch.manual_seed((self.config.seed * 2**32 + self.fabric.global_rank * 2**31 + self.step) % 2**63)
        self.recipe.space.coarse = self.step < self.config.coarse_share * self.config.steps
        loss, parts = self.recipe.loss(self.step)
        values = {"loss": float(loss.detach()), **_floats(parts)}
        if not math.isfinite(values["loss"]):
            raise TrainingError(f"step {self.step}: loss: found {values}, expected a finite value")
        self.optimizer.zero_grad(set_to_none=True)
        self.fabric.backward(loss)
        average_gradients(self.fabric, self.parameters.values())
        if self.config.clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(list(self.parameters.values()), self.config.clip_norm)
        self.optimizer.step()
        self.step += 1
        return values


def by_part(parameters: Mapping[str, Tensor]) -> list[dict]:
    """Parameter groups of an optimiser, one for each part of a space (the first word of a name), in order."""
    parts: dict[str, list[Tensor]] = {}
    for name, value in parameters.items():
        parts.setdefault(name.split(".")[0], []).append(value)
    return [{"name": name, "params": values} for name, values in parts.items()]


def learning_rate(step: int, config: TrainingConfig) -> float:
    """Linear warm-up, then constant or a cosine to zero at the last step."""
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    if config.schedule == "constant":
        return config.learning_rate
    share = (step - config.warmup_steps) / max(1, config.steps - config.warmup_steps)
    return config.learning_rate * (1 + math.cos(math.pi * share)) / 2


def fingerprint(config: TrainingConfig, hashes: Mapping[str, str]) -> str:
    """Identity of a training: robot data, and of the configuration what changes the result of its first stage."""
    relevant = config.model_dump(mode="json", exclude={"checkpoint_every", "evaluation_poses", "threads", "decoders"})
    text = json.dumps([relevant, dict(hashes)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _floats(parts: Mapping[str, Tensor]) -> dict[str, float]:
    return {key: float(value.detach()) for key, value in parts.items()}


def _summary(parts: Mapping[str, float]) -> str:
    return " ".join(f"{key} {value:.3g}" for key, value in parts.items())


def _progress(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, TimeRemainingColumn(), TextColumn("{task.fields[detail]}"), console=console)
