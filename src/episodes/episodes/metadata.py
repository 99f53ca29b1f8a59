"""Metadata of an episode: the task, the robots and their bases, the source and the outcome."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from contracts.errors import FileError, validate
from contracts.files import parse_json, read_mapping
from contracts.station import Namespace
from contracts.station import Pose as StationPose

Side = Literal["left", "right"]
Source = Literal["demonstration", "policy", "teleoperation"]
Model = TypeVar("Model", bound=BaseModel)
SIDES: tuple[Side, Side] = ("left", "right")
METADATA_KEY = "episode"  # keys of the JSON texts in rosbag2's custom_data
LOSSES_KEY = "losses"


class EpisodeError(FileError):
    """A bag, episode or dataset that cannot be used; `field` is often a topic."""


def _homogeneous(rows: list[list[float]]) -> list[list[float]]:
    if len(rows) != 4 or any(len(row) != 4 for row in rows):
        raise ValueError("expected 4 rows of 4 numbers")
    if not all(math.isfinite(value) for row in rows for value in row):
        raise ValueError("expected finite numbers")
    if rows[3] != [0.0, 0.0, 0.0, 1.0]:
        raise ValueError(f"expected the last row 0 0 0 1, found {rows[3]}")
    return rows


def _matrix(value: object) -> object:
    """The matrix of a pose written as in a station: xyz in m, rpy in rad."""
    return StationPose.model_validate(value).matrix().tolist() if isinstance(value, dict) else value


Pose = Annotated[list[list[float]], BeforeValidator(_matrix), AfterValidator(_homogeneous)]


class Embodiments(BaseModel):
    """The arm and the hand of one side, by name."""

    model_config = ConfigDict(extra="forbid")

    arm: str = Field(min_length=1, description="name of the embodiment")
    hand: str = Field(min_length=1, description="name of the embodiment")


class EpisodeMetadata(BaseModel):
    """Metadata in every bag.

    `bases` are poses (4, 4) of the arm roots in the station frame, m. `success` is by side; None if the episode was not
    judged.
    """

    model_config = ConfigDict(extra="forbid")

    version: Literal[1] = Field(default=1, description="of this schema")
    task: str = Field(min_length=1, description="name of the task")
    embodiments: dict[Side, Embodiments] = Field(min_length=1, description="by side")
    bases: dict[Side, Pose] = Field(
        default_factory=dict, description="poses of the arm roots in the station frame: 4x4, m, or xyz and rpy"
    )
    success: dict[Side, bool] | None = Field(default=None, description="by side; none: not judged")
    source: Source = Field(default="demonstration", description="what commanded the robots")
    instruction: str = Field(default="", description="text of the task")
    station: str = Field(default="", description="name of the station")
    namespace: Namespace = Field(default="", description="of the topics in the bag, below which they are searched for")
    seed: int | None = Field(default=None, description="of the simulation")
    policy_sha256: str | None = Field(default=None, description="hash of the policy bundle")
    codec_sha256: str | None = Field(default=None, description="hash of the codec bundle")

    @property
    def succeeded(self) -> bool | None:
        """Whether every judged side succeeded; None if none was judged."""
        return all(self.success.values()) if self.success else None

    @property
    def hands(self) -> str:
        """A short text for captions, such as `left inspire, right ability`."""
        return ", ".join(f"{side} {parts.hand}" for side, parts in sorted(self.embodiments.items()))


class Description(EpisodeMetadata):
    """What a bag of any recorder is of, written by hand: a bag's metadata, and the names of its topics."""

    topics: dict[str, str] = Field(default_factory=dict, description="name in the graph -> name in the bag")

    @field_validator("topics")
    @classmethod
    def _each_topic_once(cls, topics: dict[str, str]) -> dict[str, str]:
        if len(set(topics.values())) != len(topics):
            raise ValueError("expected each topic of the bag once")
        return topics

    @property
    def metadata(self) -> EpisodeMetadata:
        """Without the names."""
        return EpisodeMetadata(**self.model_dump(exclude={"topics"}))


class Losses(BaseModel):
    """Numbers of missing messages by topic: `lost` in transport, `dropped` because writing was too slow."""

    model_config = ConfigDict(extra="forbid")

    dropped: dict[str, int] = Field(default_factory=dict)
    lost: dict[str, int] = Field(default_factory=dict)


def parse_metadata(text: str, where: str) -> EpisodeMetadata:
    """Read metadata from its JSON text.

    Raises:
        EpisodeError: Naming `where`, the field, and the value found.
    """
    return _parse(EpisodeMetadata, text, where)


def load_description(path: Path) -> Description:
    """Read a description from a YAML file.

    Raises:
        EpisodeError: Naming file, field, value found and value expected.
    """
    return validate(Description, read_mapping(path, error=EpisodeError), path, EpisodeError)


def parse_losses(text: str, where: str) -> Losses:
    """Read a recorder's losses from their JSON text.

    Raises:
        EpisodeError: As `parse_metadata`.
    """
    return _parse(Losses, text, where)


def _parse(model: type[Model], text: str, where: str) -> Model:
    return validate(model, parse_json(text, where, EpisodeError), where, EpisodeError)
