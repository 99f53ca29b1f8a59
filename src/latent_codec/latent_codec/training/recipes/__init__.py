"""Recipes: ways to train a latent space. A configuration's `recipe` names one.

A recipe is a class that fits the protocol below, registered under the entry-point group `latent_codec.recipes`, and a
YAML file that names it; see docs/how_to/add_a_recipe.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Protocol

from torch import Tensor

from embodiments.registry import Embodiment
from latent_codec.training.config import Strict, TrainingConfig
from latent_codec.training.model import Space

GROUP = "latent_codec.recipes"


class Recipe(Protocol):
    """What the trainer needs: networks, and the loss of one step.

    `Settings` checks the configuration's `settings`. `loss(step)` must depend on nothing but the networks, the
    configuration and the step, so that a resumed training continues as if it had not stopped; torch's own random
    numbers (dropout) are seeded by the trainer before each step.

    A recipe may also have `learning_rates(step)`: part of the space ("encoders", "decoders") -> learning rate, instead
    of the configuration's. A part that the loss gives no gradient stands still.
    """

    Settings: ClassVar[type[Strict]]
    space: Space

    def __init__(self, hands: Sequence[Embodiment], config: TrainingConfig, settings: Strict) -> None: ...

    def loss(self, step: int) -> tuple[Tensor, Mapping[str, Tensor]]:
        """The loss of this step and its named parts, all scalars."""
        ...
