"""The 33 grasps of Feix's taxonomy as postures of the human hand: `grasps.yaml` holds them, this reads them."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field, model_validator

from contracts.errors import FileError, validate
from contracts.files import read_mapping
from embodiments.registry import Embodiment
from embodiments.schema import FINGERS
from latent_codec.training.config import ConfigError, Strict
from latent_codec.training.data.human_prior import SPREAD, close, pose

FILE = Path(__file__).with_name("grasps.yaml")
Angle = Annotated[float, Field(ge=-60, le=120)]
Bend = tuple[Angle, Angle, Angle]


class Grasp(Strict):
    """A grasp as `grasps.yaml` explains it: angles in degrees, `gap` in mm."""

    number: int = Field(ge=1)
    thumb: tuple[Angle, Angle, Angle, Angle, Angle]
    index: Bend
    middle: Bend
    ring: Bend
    little: Bend
    spread: float = Field(default=0.0, ge=0, le=25)
    gap: float | None = Field(default=None, ge=0, le=100)
    at: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _gap_to_fingers(self) -> Grasp:
        unknown = [finger for finger in self.at if finger not in FINGERS[1:]]
        if unknown or (self.gap is None) != (not self.at):
            raise FileError("", "at", list(self.at), f"fingers of {', '.join(FINGERS[1:])} where there is a gap")
        return self


@cache
def grasps(file: Path = FILE) -> dict[str, Grasp]:
    """The grasps by name, in the order of their numbers.

    Raises:
        ConfigError: The file cannot be read, or a field is wrong.
    """
    read = read_mapping(file, error=ConfigError)
    found = {str(name): validate(Grasp, fields, file, ConfigError) for name, fields in read.items()}
    return dict(sorted(found.items(), key=lambda item: item[1].number))


def postures(human: Embodiment) -> np.ndarray:
    """Joints (G, n) in rad, within limits, of the human hand in all grasps, in the order of `grasps`."""
    every = list(grasps().values())
    bends = np.radians([[grasp.index, grasp.middle, grasp.ring, grasp.little] for grasp in every])
    spread = np.radians([grasp.spread for grasp in every])[:, None] * SPREAD
    joints = pose(human, np.radians([grasp.thumb for grasp in every]), np.dstack([spread, bends]))
    meet = [row for row, grasp in enumerate(every) if grasp.gap is not None]
    chosen = np.array([[float(finger in every[row].at) for finger in FINGERS[1:]] for row in meet])
    gap = np.array([every[row].gap for row in meet], float) / 1e3
    joints[meet] = close(human, joints[meet], chosen, gap)
    return joints
