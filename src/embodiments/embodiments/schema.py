"""The file format of one embodiment: `data/<name>.yaml`. Unknown fields are errors, so a typo cannot go unnoticed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from embodiments.errors import EmbodimentError

FINGERS = ("thumb", "index", "middle", "ring", "little")

Number = Annotated[float, Field(allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Triple = tuple[Number, Number, Number]
Finger = Literal["thumb", "index", "middle", "ring", "little"]
Posture = list[Number]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PoseData(_Strict):
    """A rigid transform: translation in m, roll-pitch-yaw in rad."""

    xyz: Triple = (0.0, 0.0, 0.0)
    rpy: Triple = (0.0, 0.0, 0.0)


class JointData(_Strict):
    """Command limits of one actuated joint (rad, rad/s, rad/s2; m for prismatic ones).

    `lower` and `upper` default to the URDF's mechanical limits and may only be narrower than those.
    """

    name: str
    lower: Number | None = None
    upper: Number | None = None
    velocity: Positive
    acceleration: Positive


class SidePostures(_Strict):
    """A posture that differs between the sides, as of an arm that is the same on both."""

    left: Posture
    right: Posture


class EmbodimentData(_Strict):
    """Everything about a robot that its URDF does not say.

    Kind "human" is a hand that no station can mount: like a hand in all else, but never listed among the hands.
    An arm that is `handed` is described as a right one, as all hands are; any other is the same on both sides.
    """

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    kind: Literal["arm", "hand", "gripper", "human"]
    description: str
    urdf: str
    handed: bool = False
    joints: Annotated[list[JointData], Field(min_length=1)]
    tips: dict[Finger, str] = {}
    flange: str | None = None
    mount: PoseData = PoseData()
    grasp_frame: PoseData = PoseData()
    postures: dict[str, Posture | SidePostures]

    @model_validator(mode="after")
    def _complete(self) -> EmbodimentData:
        required = ("home",) if self.kind == "arm" else ("open", "pregrasp", "grasp")
        missing = [name for name in required if name not in self.postures]
        if missing:
            raise ValueError(f"postures of an embodiment of kind '{self.kind}' need {', '.join(missing)}")
        if self.kind == "arm" and self.flange is None:
            raise ValueError("an arm needs 'flange', the link hands are mounted on")
        if self.kind != "arm" and "handed" in self.model_fields_set:
            raise ValueError("'handed' is for arms: hands and grippers always are")
        if self.kind != "arm" and not {"thumb", "index"} <= set(self.tips):
            raise ValueError("hands and grippers need at least the tips 'thumb' and 'index'")
        return self


def read(path: Path) -> EmbodimentData:
    """Read and check one YAML file. Raises EmbodimentError (file, field, found, expected)."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise EmbodimentError(str(path), "file", error.strerror, "a readable YAML file") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise EmbodimentError(str(path), "yaml", str(error).replace("\n", " "), "well-formed YAML") from None
    try:
        return EmbodimentData.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or "content"
        raise EmbodimentError(str(path), field, first["input"], _expected(first)) from None


def _expected(error: dict) -> str:
    if error["type"] == "extra_forbidden":
        return "no field of that name"
    if error["type"] == "missing":
        return "this field to be present"
    return str(error["msg"])
