"""Settings of servo loops: those of a station for all its drivers, and those of one driver, have one home here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

PartName = Literal["arm", "hand"]
PARTS: tuple[PartName, PartName] = ("arm", "hand")
RateHz = Annotated[float, Field(ge=10, le=1000, description="rate of the servo loop")]


@dataclass(frozen=True)
class ByPart:
    """A default factory for a field of a schema that has a field `part` before it."""

    arm: float
    hand: float

    def __call__(self, data: dict[str, Any]) -> float:
        """Return the default of the part in `data`, the fields before."""
        return self.arm if data["part"] == "arm" else self.hand


RATE_HZ = ByPart(arm=250.0, hand=100.0)


class ServoSettings(BaseModel):
    """Settings of a servo loop that are the same for every device of a station."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    renamed: ClassVar[dict[str, str]] = {"priority": "rt_priority", "cpu": "cpu_affinity"}

    command_timeout_s: float = Field(
        default=0.2,
        gt=0,
        le=2,
        description="a command is followed until its observation is this old; then brake and hold",
    )
    rt_priority: int = Field(
        default=50,
        ge=0,
        le=99,
        description="real-time priority of the servo thread and of those it waits for, where permitted; 0: none",
    )
    cpu_affinity: int = Field(default=-1, ge=-1, le=1023, description="CPU that the servo thread keeps to; -1: any")
