"""The training loop: AdamW, learning rates, clipping, progress, checkpoints, resume. Knows no recipe."""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Mapping
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from torch import Tensor

from latent_codec.training import checkpoint
from latent_codec.training.config import TrainingConfig
from latent_codec.training.recipes import Recipe

CHECKPOINT_NAME = "checkpoint.npz"


class TrainingError(RuntimeError):
    """A training that cannot go on; one line."""


class Trainer:
    """Trains one recipe in a work directory; started again there, it continues at the last checkpoint."""

    def __init__(self, recipe: Recipe, config: TrainingConfig, fingerprint: str, work: Path) -> None:
        self.recipe, self.config, self.fingerprint = recipe, config, fingerprint
        self.path = Path(work) / CHECKPOINT_NAME
        self.parameters = recipe.space.trainable()
        self.optimizer = torch.optim.AdamW(by_part(self.parameters), weight_decay=config.weight_decay)
        self.rates = getattr(recipe, "learning_rates", lambda step: {})
        restored = checkpoint.restore(self.path, fingerprint, self.parameters, self.optimizer)
        self.step, self.seconds = restored or (0, 0.0)

    def run(self, steps: int | None = None, console: Console | None = None) -> dict[str, float]:
        """Train up to the configured number of steps, or at most `steps` more. Returns the last loss and its parts."""
        last = self.config.steps if steps is None else min(self.step + steps, self.config.steps)
        parts: dict[str, float] = {}
        started, before, first = time.monotonic(), self.seconds, self.step
        self.recipe.space.train()
        with _progress(console) as progress:
            task = progress.add_task("training", total=self.config.steps, completed=self.step, detail="")
            while self.step < last:
                parts = self._advance()
                self.seconds = before + time.monotonic() - started
                speed = (self.step - first) / max(self.seconds - before, 1e-6)
                detail = f"loss {parts['loss']:.3g}, {speed:.1f} steps/s"
                progress.update(task, completed=self.step, detail=detail)
                if self.step % self.config.checkpoint_every == 0 or self.step == last:
                    self._save()
                    text = f"step {self.step}, {self.seconds:.0f} s, {speed:.1f} steps/s: {_summary(parts)}"
                    progress.console.print(text, soft_wrap=True)
        self.recipe.space.coarse = False
        return parts

    def _save(self) -> None:
        checkpoint.save(self.path, self.fingerprint, self.step, self.seconds, self.parameters, self.optimizer)

    def _advance(self) -> dict[str, float]:
        """One optimiser step."""
        rates, usual = self.rates(self.step), learning_rate(self.step, self.config)
        for group in self.optimizer.param_groups:
            group["lr"] = rates.get(group["name"], usual)
        torch.manual_seed((self.config.seed * 2**32 + self.step) % 2**63)
        self.recipe.space.coarse = self.step < self.config.coarse_share * self.config.steps
        loss, parts = self.recipe.loss(self.step)
        values = {"loss": float(loss.detach()), **_floats(parts)}
        if not math.isfinite(values["loss"]):
            raise TrainingError(f"step {self.step}: loss: found {values}, expected a finite value")
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
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
    """Identity of a training: robot data, and of the configuration what changes the result."""
    relevant = config.model_dump(mode="json", exclude={"checkpoint_every", "evaluation_poses", "threads"})
    text = json.dumps([relevant, dict(hashes)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _floats(parts: Mapping[str, Tensor]) -> dict[str, float]:
    return {key: float(value.detach()) for key, value in parts.items()}


def _summary(parts: Mapping[str, float]) -> str:
    return " ".join(f"{key} {value:.3g}" for key, value in parts.items())


def _progress(console: Console | None) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, TimeRemainingColumn(), TextColumn("{task.fields[detail]}"), console=console)
