"""XL-VLA as its public code trains it: pinch templates, no KL, deterministic latents, repeated fingers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from embodiments import Embodiment
from latent_codec.training.config import Strict, TrainingConfig
from latent_codec.training.recipes.pinch_templates import TemplateSettings, make_templates
from latent_codec.training.recipes.xl_vla import XlVla, XlVlaSettings


class Settings(XlVlaSettings):
    """`template_noise`: normal noise on the templates drawn, in units of half of each joint's range."""

    templates: TemplateSettings = TemplateSettings()
    template_noise: float = Field(0.01, ge=0)


class XlVlaCode(XlVla):
    """Half of each batch is uniform, half are noisy templates. A four-fingered hand has its ring finger twice."""

    Settings: ClassVar[type[Strict]] = Settings
    repeats_fingers = True

    def __init__(self, hands: Sequence[Embodiment], config: TrainingConfig, settings: Settings) -> None:
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
