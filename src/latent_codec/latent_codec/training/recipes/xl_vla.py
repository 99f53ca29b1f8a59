"""XL-VLA (arXiv 2603.10158) as its paper describes it and as its public code trains it: losses L1, L2 and L3.

The paper: uniform poses, latents drawn from a normal distribution, KL weight 1e-5. The code: pinch templates, no KL,
deterministic latents, repeated fingers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from embodiments import Embodiment
from latent_codec.training.config import Strict, TrainingConfig
from latent_codec.training.grouped_mlp import Layout
from latent_codec.training.model import Space
from latent_codec.training.recipes.pinch_templates import TemplateSettings, fill_matrix, make_templates

NETWORK = Layout(widths=(64, 128, 64), activation="relu", norm="after")


class XlVlaSettings(Strict):
    """Published numbers: `distance` per m^2, `decay` per m."""

    encoder: Layout = NETWORK
    decoder: Layout = NETWORK
    batch: int = Field(default=1024, ge=2)
    reconstruction: float = 1.0
    distance: float = 2000.0
    direction: float = 5.0
    decay: float = 12.0


class XlVla(nn.Module):
    """Uniform poses, deterministic latents: what the two forms vary. Random numbers of step k are of (seed, k) alone.

    `statistics` is what an encoder gives for each latent value; `repeats_fingers`: a missing finger is the last one
    before it once more, instead of left out.
    """

    Settings: ClassVar[type[Strict]] = XlVlaSettings
    statistics: ClassVar = 1
    repeats_fingers: ClassVar[bool] = False

    def __init__(self, hands: Sequence[Embodiment], config: TrainingConfig, settings: XlVlaSettings) -> None:
        super().__init__()
        s = self.settings = settings
        self.seed = config.seed
        torch.manual_seed(config.seed)
        self.space = Space(
            hands, config.latent_dim, s.encoder, s.decoder, tips=False, squash=1.0, statistics=self.statistics
        )
        self.group = self.space.group
        self.vectors = ThumbVectors(self.group.finger_mask, self.repeats_fingers)

    def loss(self, step: int) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Loss and parts of one step: every latent is decoded by every hand."""
        s, rng = self.settings, np.random.default_rng([self.seed, step])
        unit = self.batch(rng)
        joints = self.group.denormalise(unit)
        latents, parts = self.latents(joints, rng)
        decoded = self.space.decode(turns(latents, first=0))
        own, crossed = decoded[:, : unit.shape[1]], decoded[:, unit.shape[1] :]
        error = (self.group.normalise(own) - unit).square().mean(1) * self.group.joint_mask
        parts["reconstruction"] = s.reconstruction * (error.sum(1) / self.group.joint_mask.sum(1)).mean()
        if len(unit) > 1:
            parts |= self._cross_terms(joints, crossed)
        return torch.stack(list(parts.values())).sum(), parts

    def batch(self, rng: np.random.Generator) -> Tensor:
        """Joints (H, B, J) of a step, -1 .. 1 between the limits, zero where padded."""
        return self.uniform(self.settings.batch, rng)

    def uniform(self, count: int, rng: np.random.Generator) -> Tensor:
        """`count` poses a hand, uniform within the limits."""
        hands, width = self.group.joint_mask.shape
        unit = torch.from_numpy(2 * rng.random((hands, count, width), dtype=np.float32) - 1)
        return unit.to(self.group.device) * self.group.joint_mask[:, None]

    def latents(self, joints: Tensor, rng: np.random.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        """Latents (H, B, N) of joints (H, B, J), and the loss terms that their distribution adds."""
        return self.space.encode(joints), {}

    def _cross_terms(self, joints: Tensor, crossed: Tensor) -> dict[str, Tensor]:
        """L2 between joints (H, B, J) and what (H, (H - 1) B, J) each hand makes of the other hands' latents."""
        s = self.settings
        with torch.no_grad():
            own, own_length = unit_and_length(self.vectors(self.group.tips(joints)))
            weight = torch.exp(-s.decay * own_length) * self.vectors.defined
        wanted, wanted_length = turns(own, 1, dim=-1), turns(own_length, 1, dim=-1)
        weight = turns(weight, 1, dim=-1) * self.vectors.defined
        weight = weight / (self.vectors.pairs * joints.shape[1])
        found, found_length = unit_and_length(self.vectors(self.group.tips(crossed)))
        cosine = (wanted * found).sum(2, keepdim=True)
        return {
            "distance": s.distance * (weight * (found_length - wanted_length).square()).sum(),
            "direction": s.direction * (weight * (1 - cosine)).sum(),
        }


class ThumbVectors(nn.Module):
    """Thumb-to-finger vectors (H, 4, 3, M) of tips (H, M, 5, 3); the poses come last, which is the tips' own layout.

    `defined` (H, 4, 1, 1) is 1 for a finger that counts; `pairs`: ordered hand pairs times fingers that both have.
    """

    matrix: Tensor
    defined: Tensor

    def __init__(self, finger_mask: Tensor, repeat: bool) -> None:
        super().__init__()
        fill = fill_matrix(finger_mask)
        self.register_buffer("matrix", fill[:, 1:] - fill[:, :1], persistent=False)
        defined = torch.ones(len(fill), 4) if repeat else finger_mask[:, 1:].float()
        self.register_buffer("defined", defined[:, :, None, None], persistent=False)
        self.pairs = max(1.0, float((defined @ defined.T).sum() - defined.sum()))

    def forward(self, tips: Tensor) -> Tensor:
        """Tips (H, M, 5, 3) to vectors (H, 4, 3, M)."""
        fingers = tips.permute(0, 2, 3, 1)
        return torch.bmm(self.matrix, fingers.flatten(2)).unflatten(2, fingers.shape[2:])


def unit_and_length(vectors: Tensor) -> tuple[Tensor, Tensor]:
    """Directions (H, F, 3, M) and lengths (H, F, 1, M) of vectors in m."""
    length = (vectors.square().sum(2, keepdim=True) + 1e-12).sqrt()  # faster than vector_norm, and smooth at zero
    return vectors / (length + 1e-6), length


def turns(values: Tensor, first: int, dim: int = 1) -> Tensor:
    """For each of H hands the rows of the `first`, ... (H - 1)th hand after it, in a circle, joined along `dim`."""
    return torch.cat([values.roll(-shift, 0) for shift in range(first, len(values))], dim=dim)


class CodeSettings(XlVlaSettings):
    """`template_noise`: normal noise on the templates drawn, in units of half of each joint's range."""

    templates: TemplateSettings = TemplateSettings()
    template_noise: float = Field(default=0.01, ge=0)


class XlVlaCode(XlVla):
    """Half of each batch is uniform, half are noisy templates. A four-fingered hand has its ring finger twice."""

    templates: Tensor

    Settings: ClassVar[type[Strict]] = CodeSettings
    repeats_fingers = True

    def __init__(self, hands: Sequence[Embodiment], config: TrainingConfig, settings: CodeSettings) -> None:
        super().__init__(hands, config, settings)
        made = make_templates(hands, self.group, settings.templates, np.random.default_rng(config.seed))
        self.register_buffer("templates", made.unit, persistent=False)

    def batch(self, rng: np.random.Generator) -> Tensor:
        """Joints (H, B, J) of a step, -1 .. 1 between the limits, zero where padded."""
        half = self.settings.batch // 2
        hands, count, width = self.templates.shape
        rows = torch.from_numpy(rng.integers(count, size=(hands, half)))
        noise = torch.from_numpy(rng.standard_normal((hands, half, width), dtype=np.float32)).to(self.group.device)
        drawn = self.templates[torch.arange(hands)[:, None], rows] + self.settings.template_noise * noise
        drawn = drawn.clamp(-1, 1) * self.group.joint_mask[:, None]
        return torch.cat([self.uniform(self.settings.batch - half, rng), drawn], dim=1)


class PaperSettings(XlVlaSettings):
    """`kl`: weight of the divergence from a standard normal distribution, summed over dimensions."""

    kl: float = Field(default=1e-5, ge=0)


class XlVlaPaper(XlVla):
    """The encoders give mean and logarithm of the variance; at run time the latent is the mean."""

    Settings: ClassVar[type[Strict]] = PaperSettings
    statistics = 2

    def latents(self, joints: Tensor, rng: np.random.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        """Latents (H, B, N) drawn for joints (H, B, J), and L3."""
        mean, log_variance = self.space.moments(joints).chunk(2, dim=-1)
        noise = torch.from_numpy(rng.standard_normal(tuple(mean.shape), dtype=np.float32)).to(mean.device)
        divergence = (mean.square() + log_variance.exp() - log_variance - 1).sum(-1).mean() / 2
        return mean + (log_variance / 2).exp() * noise, {"kl": self.settings.kl * divergence}
