"""Recipes: ways to train a latent space. A configuration's `recipe` names one.

A recipe is a class that fits the protocol below, registered under the entry-point group `latent_codec.recipes`, and a
YAML file that names it; see docs/how_to/add_a_recipe.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Protocol, runtime_checkable

from torch import Tensor, nn

from embodiments.registry import Embodiment
from latent_codec.training.config import Strict, TrainingConfig
from latent_codec.training.model import Space

GROUP = "latent_codec.recipes"


class Recipe(Protocol):
    """What the trainer needs: a torch module with the networks, and the loss of one step.

    `Settings` checks the configuration's `settings`. Fixed tensors that the loss needs are buffers (or `FixedTensors`),
    so that they move to a GPU with the networks. `loss(step)` must depend on nothing but the networks, the
    configuration and the step: a resumed training then continues as if it had not been interrupted, and several
    processes compute the same loss. The trainer seeds torch's own random numbers (dropout) before each step.

    A recipe may also have `learning_rates(step)`: part of the space ("encoders", "decoders") -> learning rate, instead
    of the configuration's. A part to which the loss gives no gradient does not change.
    """

    Settings: ClassVar[type[Strict]]
    space: Space

    def __init__(self, hands: Sequence[Embodiment], config: TrainingConfig, settings: Strict) -> None: ...

    def to(self, device: Any) -> Any:
        """As of torch modules."""
        ...

    def modules(self) -> Iterator[nn.Module]:
        """As of torch modules."""
        ...

    def loss(self, step: int) -> tuple[Tensor, Mapping[str, Tensor]]:
        """The loss of this step and its named parts, all scalars."""
        ...


@runtime_checkable
class HasDecoders(Protocol):
    """A recipe with a second stage, in which the decoders are trained alone."""

    DecoderSettings: ClassVar[type[Any]]

    def decoders(self, config: TrainingConfig, settings: Any) -> Recipe:
        """The recipe of the second stage, on the trained encoders."""
        ...
