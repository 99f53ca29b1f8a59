"""What all plug-ins do with their options."""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from hand_drivers.device import DeviceError, DeviceSettings


class Options(BaseModel):
    """Options of a plug-in: unknown ones are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


Kind = TypeVar("Kind", bound=Options)


def read_options(kind: type[Kind], settings: DeviceSettings) -> Kind:
    """The options in `settings`. Raises DeviceError that names the first wrong one, what was found and expected."""
    try:
        return kind.model_validate(dict(settings.options))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place, name = ".".join(map(str, first["loc"])), kind.__name__.removesuffix("Options").lower()
        raise DeviceError(f"{name}: option '{place}': found {first['input']!r}, expected: {first['msg']}") from None
