"""The training configuration: what every recipe needs, and the recipe's own settings unread."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from contracts.errors import FileError, validate
from contracts.files import read_mapping

DEFAULT_CONFIG = Path(__file__).parent / "configs" / "crosshand_twelve.yaml"


class ConfigError(FileError):
    """A configuration that cannot be used."""


class Strict(BaseModel):
    """Base of all parts of a configuration; a field it does not know is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class TrainingConfig(Strict):
    """One training run. `name` becomes the first half of the latent space's id; `settings` belong to the recipe.

    `schedule` is what follows the warm-up: a cosine to zero at the last step, or nothing. No `clip_norm`: no clipping.
    `coarse_share`: of the steps, from the first on, whose network products are in bfloat16, which takes half the time;
    single precision in the rest makes up for it.
    `decoders`: settings of a second stage, in which the decoders are trained alone; none where it is empty.
    """

    name: str = Field(pattern=r"^[a-z0-9_]+$")
    recipe: str
    hands: tuple[str, ...] = Field(min_length=1)
    latent_dim: int = Field(default=16, ge=1, le=256)
    seed: int = Field(default=0, ge=0)
    steps: int = Field(ge=1)
    learning_rate: float = Field(default=3e-3, gt=0)
    weight_decay: float = Field(default=1e-4, ge=0)
    schedule: Literal["cosine", "constant"] = "cosine"
    warmup_steps: int = Field(default=200, ge=0)
    clip_norm: float | None = Field(default=5.0, gt=0)
    coarse_share: float = Field(default=0.0, ge=0, le=1)
    checkpoint_every: int = Field(default=500, ge=1)
    threads: int = Field(default=1, ge=1)
    evaluation_poses: int = Field(default=2000, ge=10)
    settings: dict[str, Any] = {}
    decoders: dict[str, Any] = {}

    @field_validator("hands")
    @classmethod
    def _each_hand_once(cls, hands: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(hands)) != len(hands):
            raise FileError("", "", list(hands), "each hand once")
        return hands


def load_config(path: Path | str) -> TrainingConfig:
    """Return the configuration in a YAML file.

    Raises:
        ConfigError: The file cannot be read, or a field is wrong.
    """
    return validate(TrainingConfig, read_mapping(path, error=ConfigError), path, ConfigError)
