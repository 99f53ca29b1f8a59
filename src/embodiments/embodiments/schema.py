"""The file format of one embodiment: `data/<name>.yaml`. Unknown fields are errors, so a typo cannot go unnoticed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from contracts.errors import FileError, validate
from contracts.files import read_mapping
from embodiments.errors import EmbodimentError

FINGERS = ("thumb", "index", "middle", "ring", "little")
PREGRASP_SHARE = 0.35  # of the way from open to grasp; the described hands are there at 0.2 to 0.5

Number = Annotated[float, Field(allow_inf_nan=False)]
# Upper bounds depend on the kind of the joint, which the URDF says: see `bounds`.
Velocity = Annotated[float, Field(ge=1e-3, allow_inf_nan=False)]
Acceleration = Annotated[float, Field(ge=1e-2, allow_inf_nan=False)]
Offset = Annotated[float, Field(ge=-1, le=1)]
Angle = Annotated[float, Field(ge=-6.3, le=6.3)]
Finger = Literal["thumb", "index", "middle", "ring", "little"]
Posture = list[Number]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PoseData(_Strict):
    """A rigid transform: translation in m, roll-pitch-yaw in rad."""

    xyz: tuple[Offset, Offset, Offset] = (0.0, 0.0, 0.0)
    rpy: tuple[Angle, Angle, Angle] = (0.0, 0.0, 0.0)


class JointData(_Strict):
    """Command limits of one actuated joint (rad, rad/s, rad/s2; m for prismatic ones).

    `lower` and `upper` default to the URDF's mechanical limits and may only be narrower than those.
    """

    name: str
    lower: Number | None = None
    upper: Number | None = None
    velocity: Velocity
    acceleration: Acceleration


class SidePostures(_Strict):
    """A posture that differs between the sides: of an arm that is the same on both, of a hand whose left differs."""

    left: Posture
    right: Posture


class LeftData(_Strict):
    """How the left hand is other than the mirror image of the right one.

    `origins` of joints, parent link -> joint, as the mirror shows them: in the frames of the right hand. `turned`:
    joints whose values have the opposite sign in the maker's model and interface of the left hand.
    """

    origins: Annotated[dict[str, PoseData], Field(max_length=200)] = {}
    turned: Annotated[tuple[str, ...], Field(max_length=200)] = ()


class EmbodimentData(_Strict):
    """Everything about a robot that its URDF does not say.

    Kind "human" is a hand that no station can mount: like a hand in all else, but never listed among the hands.
    An arm that is `handed` is described as a right one, as all hands are; any other is the same on both sides.
    `payload`: what an arm carries by its maker's word, the hand included, kg.
    """

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    kind: Literal["arm", "hand", "gripper", "human"]
    description: str
    urdf: str
    handed: bool = False
    joints: Annotated[list[JointData], Field(min_length=1, max_length=200)]
    tips: dict[Finger, str] = {}
    flange: str | None = None
    payload: Annotated[float, Field(gt=0, le=1000)] | None = None
    mount: PoseData = PoseData()
    grasp_frame: PoseData = PoseData()
    postures: dict[str, Posture | SidePostures]
    left: LeftData = LeftData()

    @model_validator(mode="after")
    def _complete(self) -> EmbodimentData:
        required = ("home",) if self.kind == "arm" else ("open", "pregrasp", "grasp")
        missing = [name for name in required if name not in self.postures]
        if missing:
            expected = f"{', '.join(required)}, as any embodiment of kind '{self.kind}' has"
            raise FileError("", "postures", f"no {', '.join(missing)}", expected)
        if self.kind == "arm" and self.flange is None:
            raise FileError("", "flange", None, "the link of the arm that hands are mounted on")
        if self.kind != "arm" and "handed" in self.model_fields_set:
            raise FileError("", "handed", self.handed, "no value: 'handed' is for arms, a hand always is")
        if self.kind == "arm" and "left" in self.model_fields_set:
            raise FileError("", "left", "a value", "none: 'left' is for hands")
        unknown = sorted(set(self.left.turned) - {joint.name for joint in self.joints})
        if unknown:
            raise FileError("", "left.turned", unknown[0], "one of the joints")
        if self.kind != "arm" and self.payload is not None:
            raise FileError("", "payload", self.payload, "no value: 'payload' is for arms")
        if self.kind != "arm" and not {"thumb", "index"} <= set(self.tips):
            raise FileError("", "tips", list(self.tips), "at least the tips 'thumb' and 'index'")
        return self


def read(path: Path) -> EmbodimentData:
    """Return the content of one YAML file.

    Raises:
        EmbodimentError: The file cannot be read, or a field is wrong.
    """
    return validate(EmbodimentData, read_mapping(path, error=EmbodimentError), path, EmbodimentError)
