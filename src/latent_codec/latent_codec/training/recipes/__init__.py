"""Recipes: ways to train a latent space. A configuration's `recipe` names one of `RECIPES`.

A recipe is a module here with one class that fits the protocol, registered below, and a YAML file in `configs/`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Protocol

from torch import Tensor

from embodiments.registry import Embodiment
from latent_codec.training.config import Strict, TrainingConfig
from latent_codec.training.model import Space
from latent_codec.training.recipes.crosshand import Crosshand


class Recipe(Protocol):
    """What the trainer needs: networks, and the loss of one step.

    `Settings` checks the configuration's `settings`. `loss(step)` must depend on nothing but the networks, the
    configuration and the step, so that a resumed training continues as if it had not stopped.
    """

    Settings: ClassVar[type[Strict]]
    space: Space

    def __init__(self, hands: Sequence[Embodiment], config: TrainingConfig, settings: Strict) -> None: ...

    def loss(self, step: int) -> tuple[Tensor, Mapping[str, Tensor]]:
        """The loss of this step and its named parts, all scalars."""
        ...


RECIPES: dict[str, type[Recipe]] = {"crosshand": Crosshand}
