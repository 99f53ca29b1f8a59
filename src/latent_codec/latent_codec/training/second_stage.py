"""The stage after the first, in which the decoders are trained alone, for the recipes that have it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from latent_codec.training.checkpoint import weights_digest
from latent_codec.training.recipes import HasDecoders
from latent_codec.training.trainer import Trainer, fingerprint


def second_stage(
    first: Trainer, recipe: HasDecoders, settings: Any, hashes: Mapping[str, str], *, restart: bool
) -> Trainer:
    """The trainer of the second stage, which knows the encoders that it was begun with.

    Args:
        first: The trainer of the first, which is done; the checkpoint lies in a folder beside its own.
        recipe: What it trained.
        settings: Of the second stage.
        hashes: Of what the first was trained from.
        restart: Whether to start from the first step, whatever checkpoint there is.

    Raises:
        CheckpointError: The checkpoint is damaged, or of another training.
    """
    config = first.config.model_copy(update={"steps": settings.steps})
    encoders = {name: value for name, value in first.parameters.items() if name.startswith("encoders.")}
    known = {**hashes, "encoders": weights_digest(encoders).hex(), "decoders": settings.model_dump_json()}
    work = first.path.parent / "decoders"
    return Trainer(
        recipe.decoders(config, settings), config, fingerprint(config, known), work, first.fabric, restart=restart
    )
