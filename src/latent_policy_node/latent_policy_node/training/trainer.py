"""The training loop: AdamW, averaged weights, validation in millimetres, checkpoints, resume."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor

from latent_codec.training import checkpoint
from latent_codec.training.devices import agreed, average_gradients, make_fabric, rows_of
from latent_policy_node.demonstrations import Demonstrations, split
from latent_policy_node.training.batches import Batch, Sampler
from latent_policy_node.training.config import PolicyConfig
from latent_policy_node.training.diffusion import add_noise
from latent_policy_node.training.metrics import chunk_errors
from latent_policy_node.training.model import Observed, PolicyNetwork
from latent_policy_node.training.normalise import fit, scale_floor
from latent_policy_node.training.photometric import Relight, scale_image

VALIDATION_FRAMES = 384
VALIDATION_BATCH = 64

Report = Callable[[str, Mapping[str, float]], None]


class Trainer:
    """One training of a policy.

    Attributes:
        network, average: The policy, and the exponential average of its weights, which is what is exported.
        scale: Normalisation of states and actions, fitted to the training episodes.
        step, seconds: Done so far, with the runs that were resumed.
        history: Figures of each validation.
    """

    def __init__(
        self,
        config: PolicyConfig,
        data: Demonstrations,
        path: Path,
        report: Report | None = None,
        fabric: Fabric | None = None,
    ) -> None:
        """Set up networks and random numbers; `resume` continues at a checkpoint.

        Args:
            config: The whole configuration of the policy.
            data: Demonstrations, some of which are held out.
            path: File of the checkpoint.
            report: Called with "step" or "validation" and figures, in the first process alone.
            fabric: Device and processes; by default the CPU and this process.

        Raises:
            DevicesError: The batch cannot be shared equally by the processes.
        """
        train = config.train
        self.config, self.data, self.path = config, data, path
        self.fabric = fabric or make_fabric(bf16=train.bf16)
        self.report = report or (lambda kind, values: None)
        torch.manual_seed(train.seed)
        torch.set_num_threads(train.threads)
        self.generator = torch.Generator().manual_seed(train.seed)
        self.training, self.validation = split(data, train.holdout, train.seed)
        frames = np.isin(data.episode, self.training)
        self.scale = fit(np.concatenate([data.state[frames], data.action[frames]]))
        height, width = data.images.shape[1:3]
        self.rows = rows_of(self.fabric, train.batch)
        self.relight = Relight(config.augment, (train.batch, height, width), self.generator, self.fabric)
        self.network = PolicyNetwork(config.model, data.dims, height, width)
        points, prefix = self.network.points, config.model.plan
        self.sampler = Sampler(data, self.training, points, config.augment, train.seed, prefix, self.rows)
        self.average = PolicyNetwork(config.model, data.dims, height, width).requires_grad_(False)
        self.average.load_state_dict(self.network.state_dict())
        for network in (self.network, self.average):
            network.to(self.fabric.device)
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), train.learning_rate, weight_decay=train.weight_decay, fused=True
        )
        self.weights = self._tensor(self._weights())
        self.step, self.seconds, self.history = 0, 0.0, list[dict[str, float]]()

    def run(self) -> dict[str, float]:
        """Train until the schedule ends; returns the figures of the last validation."""
        validated = saved = self.seconds
        while self.progress < 1:
            self._timed_step()
            if self.seconds - validated >= 60 * self.config.train.validate_minutes:
                self.validate()
                validated = self.seconds
            if self.seconds - saved >= 60 * self.config.train.checkpoint_minutes:
                self.save()
                saved = self.seconds
        if not self.history or self.history[-1]["step"] != self.step:
            self.validate()
        self.save()
        return self.history[-1]

    @property
    def progress(self) -> float:
        """Fraction of the schedule that is done: of its steps or, where that is more, of its time."""
        done = self.step / self.config.train.steps
        limit = self.config.train.max_minutes
        return min(1.0, max(done, self.seconds / (60 * limit) if limit else 0.0))

    def learning_rate(self) -> float:
        """Linear warm-up, then half a cosine down to 2 % of the peak."""
        train = self.config.train
        warm = min(1.0, (self.step + 1) / max(train.warmup, 1))
        return train.learning_rate * warm * (0.02 + 0.98 * (0.5 + 0.5 * math.cos(math.pi * self.progress)))

    def _timed_step(self) -> None:
        began = time.monotonic()
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate()
        loss = self._optimise(self.sampler.batch(self.config.train.batch))
        self._average()
        self.step += 1
        self.seconds = agreed(self.fabric, self.seconds + time.monotonic() - began)
        values = {"step": self.step, "loss": loss, "seconds": self.seconds, "progress": self.progress}
        self._report("step", values | {"samples": self.step * self.config.train.batch})

    def _optimise(self, batch: Batch) -> float:
        image = self.relight(self._tensor(batch.images))
        state, prefix, chunk = (self._tensor(self.scale.apply(v)) for v in (batch.state, batch.prefix, batch.chunk))
        with self.fabric.autocast():
            seen = self.network.observe(image, state, prefix, self._tensor(batch.prefix_length))
            loss = self._loss(seen, chunk)
        self.optimizer.zero_grad(set_to_none=True)
        self.fabric.backward(loss)
        average_gradients(self.fabric, self.network.parameters())
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        mean = loss.detach()
        self.fabric.all_reduce(mean)  # in place
        return float(mean)

    def _loss(self, seen: Observed, chunk: Tensor) -> Tensor:
        """Error of the predicted clean chunk over several noise draws of each encoded observation."""
        draws, model = self.config.train.draws, self.network
        clean = chunk[:, : model.config.horizon].repeat(draws, 1, 1)
        whole = (draws, self.config.train.batch)
        steps = self._mine(torch.randint(len(model.power), whole, generator=self.generator))
        noise = self._mine(torch.randn(*whole, *clean.shape[1:], generator=self.generator))
        noisy = add_noise(clean, noise, steps, model.power)
        denoised = self._error(model.denoise(noisy, steps, seen.repeat(draws)), clean)
        return denoised + self.config.loss.auxiliary * self._error(model.regress(seen), chunk)

    def _mine(self, drawn: Tensor) -> Tensor:
        """Of numbers (draws, batch, ...) those of this process: (draws * rows, ...)."""
        return drawn[:, self.rows].flatten(0, 1).to(self.fabric.device)

    def _tensor(self, values: np.ndarray) -> Tensor:
        return torch.from_numpy(values).to(self.fabric.device)

    def _report(self, kind: str, values: Mapping[str, float]) -> None:
        if self.fabric.is_global_zero:
            self.report(kind, values)

    def _error(self, predicted: Tensor, target: Tensor) -> Tensor:
        return ((predicted.float() - target).square() * self.weights).mean()

    def _weights(self) -> np.ndarray:
        """Loss weight of each dimension, averaging to 1; a dimension that hardly moves counts less."""
        loss, axes = self.config.loss, self.data.dims // 2
        side = np.full(axes, loss.latent)
        side[:3], side[3:9] = loss.position, loss.rotation
        moving = np.where(self.scale.scale <= scale_floor(self.data.dims) * 1.001, 0.25, 1.0)
        weights = np.tile(side, 2) * moving
        return (weights / weights.mean()).astype(np.float32)

    @torch.no_grad()
    def _average(self) -> None:
        """Exponential average of the weights, with a shorter memory at the start."""
        decay = min(self.config.train.ema_decay, (1 + self.step) / (10 + self.step))
        ours, theirs = list(self.average.parameters()), list(self.network.parameters())
        torch._foreach_lerp_(ours, theirs, 1 - decay)

    def validate(self) -> dict[str, float]:
        """Sample chunks for held-out frames with the averaged weights; errors in mm, degrees, latent units."""
        frames = self._validation_frames()
        predicted = np.concatenate(
            [self.predict(frames[i : i + VALIDATION_BATCH]) for i in range(0, len(frames), VALIDATION_BATCH)]
        )
        target = self.data.chunks(frames, self.config.model.horizon)
        values = chunk_errors(predicted, target) | {"step": self.step, "seconds": round(self.seconds, 1)}
        self.history.append(values)
        self._report("validation", values)
        return values

    @torch.no_grad()
    def predict(self, frames: np.ndarray) -> np.ndarray:
        """Chunks (B, horizon, dims) in raw units for frames (B,) of the data; noise is fixed, no action prefix."""
        image = scale_image(self._tensor(self.data.images[frames]))
        state = self._tensor(self.scale.apply(self.data.state[frames]))
        shape = (len(frames), self.config.model.horizon, self.data.dims)
        noise = torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(self.fabric.device)
        prefix = state.new_zeros(len(frames), self.config.model.plan, self.data.dims)
        seen = self.average.observe(image, state, prefix, state.new_zeros(len(frames), dtype=torch.long))
        chunk = self.average.sample(seen, noise, self.scale.bound)
        return self.scale.undo(chunk.cpu().numpy())

    def _validation_frames(self) -> np.ndarray:
        frames = np.flatnonzero(np.isin(self.data.episode, self.validation))
        count = min(VALIDATION_FRAMES, len(frames))
        return frames[np.linspace(0, len(frames) - 1, count).round().astype(int)]

    def save(self) -> None:
        """Write the checkpoint, from which `resume` continues as if the training had not been interrupted."""
        if not self.fabric.is_global_zero:
            return
        tensors = {
            **checkpoint.named("network", self.network.state_dict()),
            **checkpoint.named("average", self.average.state_dict()),
            **checkpoint.named("optimizer", checkpoint.optimizer_tensors(self.optimizer)),
            "random": self.generator.get_state(),
        }
        checkpoint.save(self.path, tensors, self._content())

    def _content(self) -> dict[str, Any]:
        return {
            "step": self.step,
            "seconds": self.seconds,
            "history": self.history,
            "numpy": self.sampler.rng.bit_generator.state,
            "settings": self._settings(),
            "dataset": self.data.digest,
        }

    def _settings(self) -> dict[str, Any]:
        """What a resumed run must share with the one that wrote the checkpoint; its length may change."""
        shared = {"learning_rate", "batch", "draws", "weight_decay", "seed", "holdout"}
        parts = {"model": True, "loss": True, "augment": True, "train": shared}
        return self.config.model_dump(mode="json", include=parts)

    def resume(self) -> bool:
        """Continue from the checkpoint, if there is one; says whether.

        Raises:
            CheckpointError: It is damaged, or of a training with other settings or data.
        """
        found = checkpoint.load(self.path)
        if found is None:
            return False
        tensors, content = found
        for key, ours in (("settings", self._settings()), ("dataset", self.data.digest)):
            checkpoint.require_same(self.path, key, content.get(key), ours)
        checkpoint.copy_into(self.network.state_dict(), checkpoint.part(tensors, "network"), self.path)
        checkpoint.copy_into(self.average.state_dict(), checkpoint.part(tensors, "average"), self.path)
        checkpoint.restore_optimizer(self.optimizer, checkpoint.part(tensors, "optimizer"))
        self.generator.set_state(tensors["random"])
        self.sampler.rng.bit_generator.state = content["numpy"]
        self.step, self.seconds, self.history = content["step"], content["seconds"], content["history"]
        return True
