"""LAD (Latent Action Diffusion, arXiv 2506.14608): contrastive encoders on retargeted human poses, then decoders.

Stage 1, `encoder_steps`: encoders by InfoNCE over pairs of embodiments. Stage 2, the rest: decoders, with the encoders
fine-tuned at a rate of their own. Not published and chosen here: the loss takes joints in units of half their range;
latents have length one for the decoders too; stage 2 keeps the last temperature; without annealing it is the first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

import embodiments
from embodiments import Embodiment
from latent_codec.training.config import Strict, TrainingConfig
from latent_codec.training.data.pools import CHUNK, padded
from latent_codec.training.data.retarget import RetargetSettings, pairs
from latent_codec.training.grouped_mlp import Layout
from latent_codec.training.recipes.lad_space import LadSpace

NETWORK = Layout(widths=(32, 128, 128, 32), activation="relu", norm="before", dropout=0.1)
CACHE = Path("out") / "cache" / "pairs"


class Settings(Strict):
    """Published numbers where there are any. `annealing`, `fine_tuning`: what its Table III leaves out by turns."""

    encoder: Layout = NETWORK
    decoder: Layout = NETWORK
    human: str = "human"
    pairs: int = Field(default=16384, ge=2)
    retarget: RetargetSettings = RetargetSettings()
    batch: int = Field(default=16384, ge=2)
    encoder_steps: int = Field(default=5000, ge=1)
    temperature: tuple[float, float] = (0.25, 0.16)
    annealing: bool = True
    both_directions: bool = False
    fine_tuning: bool = True
    fine_tuning_rate: float = Field(default=1e-5, gt=0)
    contrastive: float = Field(default=0.1, ge=0)

    @model_validator(mode="after")
    def _enough_pairs(self) -> Settings:
        if self.batch > self.pairs:
            raise ValueError(f"at least as many pairs as the batch of {self.batch}")
        return self


class Lad(nn.Module):
    """See the module. The poses of step k come from random numbers of (seed, k) alone."""

    unit: Tensor
    features: Tensor

    Settings: ClassVar[type[Strict]] = Settings

    def __init__(self, hands: Sequence[Embodiment], config: TrainingConfig, settings: Settings) -> None:
        super().__init__()
        s = self.settings = settings
        self.config = config
        torch.manual_seed(config.seed)
        self.space = LadSpace(hands, config.latent_dim, s.encoder, s.decoder)
        joints = paired_joints(hands, s, config.seed)
        both = padded(self.space.group, [joints[hand.name] for hand in hands])
        unit = self.space.group.normalise(both) * self.space.group.joint_mask[:, None]
        with torch.no_grad():
            features = torch.cat([self.space.features(part) for part in both.split(CHUNK, 1)], dim=1)
        self.register_buffer("unit", unit, persistent=False)
        self.register_buffer("features", features, persistent=False)

    def learning_rates(self, step: int) -> Mapping[str, float]:
        """Encoders have a rate of their own in stage 2."""
        tuned = step >= self.settings.encoder_steps
        return {"encoders": self.settings.fine_tuning_rate} if tuned else {}

    def loss(self, step: int) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Loss and parts of one step."""
        s, rng = self.settings, np.random.default_rng([self.config.seed, step])
        rows = torch.from_numpy(rng.permutation(s.pairs)[: s.batch])
        if step < s.encoder_steps:
            self.space.encoders.train()
            contrastive = self._contrast(self.space.encode_features(self.features[:, rows]), step)
            return contrastive, {"contrastive": contrastive}
        latents = self._latents(rows)
        parts = {"reconstruction": self._reconstruction(latents, self.unit[:, rows])}
        if s.fine_tuning:
            parts["contrastive"] = s.contrastive * self._contrast(latents, step)
        return torch.stack(list(parts.values())).sum(), parts

    def temperature(self, step: int) -> float:
        """Exponential between the two temperatures over stage 1."""
        first, last = self.settings.temperature
        share = min(1.0, step / self.settings.encoder_steps)
        return first * (last / first) ** share if self.settings.annealing else first

    def _latents(self, rows: Tensor) -> Tensor:
        """Latents (H, B, N) for the decoders; encoders that are not trained have no dropout."""
        self.space.encoders.train(self.settings.fine_tuning)
        with torch.set_grad_enabled(self.settings.fine_tuning):
            return self.space.encode_features(self.features[:, rows])

    def _contrast(self, latents: Tensor, step: int) -> Tensor:
        return contrast(latents, self.temperature(step), self.settings.both_directions)

    def _reconstruction(self, latents: Tensor, unit: Tensor) -> Tensor:
        """Squared error summed over joints, mean over poses and embodiments."""
        group = self.space.group
        error = (group.normalise(self.space.decode(latents)) - unit).square() * group.joint_mask[:, None]
        return error.sum(2).mean()


def contrast(latents: Tensor, temperature: float, both_directions: bool) -> Tensor:
    """InfoNCE of unit latents (H, B, N), row b of all hands the same pose: sum over pairs of hands, mean over poses.

    For each pair the first hand's latents look for the second's among the batch; with `both_directions` the mean of
    that and the other way round.
    """
    total = latents.new_zeros(())
    for first, second in combinations(latents.unbind(), 2):
        logits = first @ second.T / temperature
        misses = logits.logsumexp(1)
        if both_directions:
            misses = (misses + logits.logsumexp(0)) / 2
        total = total + (misses - logits.diagonal()).mean()
    return total


def paired_joints(hands: Sequence[Embodiment], settings: Settings, seed: int) -> dict[str, np.ndarray]:
    """Joints (M, n) of each of `hands`, row m of all the same human pose."""
    human = embodiments.load(settings.human)
    robots = [hand for hand in hands if hand.kind != "human"]
    return pairs(human, robots, settings.pairs, seed, settings.retarget, CACHE)
