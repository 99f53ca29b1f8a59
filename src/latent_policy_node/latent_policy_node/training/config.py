"""What a training run is made of: one YAML file, checked whole before anything starts."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from contracts.errors import validate
from contracts.files import read_mapping


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class EncoderConfig(_Section):
    """Image encoder: strided convolutions, then a spatial softmax."""

    channels: tuple[int, ...] = (16, 32, 64)
    strides: tuple[int, ...] = (2, 2, 1)
    keypoints: int = Field(default=48, ge=4, le=256)
    features: int = Field(default=192, ge=16, le=1024)


class ModelConfig(_Section):
    """The network that predicts a clean chunk from a noisy one and an observation."""

    encoder: EncoderConfig = EncoderConfig()
    horizon: int = Field(default=16, ge=4, le=64, multiple_of=4)
    plan: int = Field(default=4, ge=1, le=16, description="most points of the action prefix")
    unet_channels: tuple[int, ...] = (96, 192)
    kernel: int = Field(default=3, ge=3, le=7)
    condition: int = Field(default=256, ge=32, le=1024)
    far_points: tuple[int, ...] = Field(default=(20, 24, 32, 40, 48), description="frames ahead of the auxiliary task")
    diffusion_steps: int = Field(default=100, ge=10, le=1000)
    inference_steps: int = Field(default=8, ge=1, le=50)


class LossConfig(_Section):
    """Weights of the squared error of normalised action dimensions."""

    position: float = Field(default=4.0, ge=0)
    rotation: float = Field(default=2.0, ge=0)
    latent: float = Field(default=0.5, ge=0)
    auxiliary: float = Field(default=0.5, ge=0)


class AugmentConfig(_Section):
    """Random changes of a training sample; every figure is a maximum, 0 turns it off."""

    mirror: float = Field(
        default=0.5, ge=0, le=1, description="probability of reflecting the whole station left <-> right"
    )
    side_mix: float = Field(default=0.0, ge=0, le=1, description="probability of joining halves of two episodes")
    image_left: Literal["left", "right"] = Field(default="right", description="the side seen in the image's left half")
    plan_other: float = Field(
        default=0.2,
        ge=0,
        le=1,
        description="how far the action prefix of a hand may be off, of the way to what it does elsewhere",
    )
    shift_px: int = Field(default=0, ge=0, le=16)
    brightness: float = Field(default=0.12, ge=0, le=1)
    contrast: float = Field(default=0.15, ge=0, le=1)
    colour: float = Field(default=0.06, ge=0, le=1)
    hidden: float = Field(default=0.0, ge=0, le=1, description="probability of each of two rectangles that hide parts")
    noise: float = Field(default=0.01, ge=0, le=1, description="standard deviation of pixel noise, of full scale")
    state_position_m: float = Field(default=0.005, ge=0, le=0.1, description="noise of the wrist position in the state")
    state_rotation: float = Field(default=0.02, ge=0, le=0.5, description="noise of the 6-D rotation in the state")
    state_latent: float = Field(default=0.05, ge=0, le=1, description="noise of z in the state")


class TrainConfig(_Section):
    """Optimisation."""

    steps: int = Field(default=10000, ge=1)
    max_minutes: float | None = Field(
        default=None, gt=0, description="ends the schedule earlier, at this much training time"
    )
    batch: int = Field(default=64, ge=1)
    draws: int = Field(default=4, ge=1, le=32, description="noise draws for each encoded observation")
    learning_rate: float = Field(default=8e-4, gt=0)
    weight_decay: float = Field(default=1e-4, ge=0)
    warmup: int = Field(default=300, ge=0)
    ema_decay: float = Field(default=0.998, ge=0, lt=1)
    threads: int = Field(default=2, ge=1, le=64)
    bf16: bool = True
    seed: int = 0
    holdout: float = Field(
        default=0.05, gt=0, lt=0.9, description="fraction of episodes of each pair kept for validation"
    )
    validate_minutes: float = Field(default=3.0, gt=0)
    checkpoint_minutes: float = Field(default=3.0, gt=0)


class CollectConfig(_Section):
    """Demonstrations: pairs are `left:right` hands; episodes counts each pair."""

    pairs: tuple[str, ...] = ("inspire:ability", "ability:inspire", "xarm_gripper:xarm_gripper")
    episodes: int = Field(default=150, ge=1, description="of each pair; unsuccessful ones are not trained from")
    seed: int = 1000
    looks: bool = Field(default=True, description="whether it is drawn anew how hands look in each episode")
    workers: int = Field(default=2, ge=1)


class EvaluateConfig(_Section):
    """Rollouts of the exported bundle in the simulation; pairs are `left:right` hands."""

    pairs: tuple[str, ...] = ("inspire:ability", "ability:inspire", "inspire:xarm_gripper")
    episodes: int = Field(default=30, ge=0)
    seed: int = 7


class PolicyConfig(_Section):
    """Everything `./ws train policy` does."""

    name: str = "pick_place"
    task: str = "pick_place"
    camera: str = "front"
    image_width: int = Field(default=160, ge=16, le=1024)
    image_height: int = Field(default=90, ge=16, le=1024)
    collect: CollectConfig = CollectConfig()
    model: ModelConfig = ModelConfig()
    loss: LossConfig = LossConfig()
    augment: AugmentConfig = AugmentConfig()
    train: TrainConfig = TrainConfig()
    evaluate: EvaluateConfig = EvaluateConfig()


def default_config() -> Path:
    """The configuration the shipped policy was trained with."""
    return Path(__file__).parents[1] / "config" / "pick_place.yaml"


def load_config(path: Path) -> PolicyConfig:
    """Read and check a configuration. Raises node_kit's FileError: file, field, found, expected."""
    return validate(PolicyConfig, read_mapping(path), path)
