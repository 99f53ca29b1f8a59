"""The interface of camera plug-ins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np
from pydantic import BaseModel, ValidationError

from contracts.errors import booleans, problems

GROUP = "camera_node.sources"  # entry points: name -> factory(options: Mapping[str, Any]) -> Source
Options = TypeVar("Options", bound=BaseModel)


class SourceError(RuntimeError):
    """The camera cannot be opened or read; the text names the camera and the cause in one line."""


class SourceEnded(SourceError):  # noqa: N818 - the end of a recording is not an error
    """A recording was played to its end."""


@dataclass(frozen=True)
class Frame:
    """One image. The source does not reuse the arrays.

    Attributes:
        stamp_ns: Acquisition, system time, ns.
        rgb: (H, W, 3) uint8.
        depth: (H, W) uint16, mm along the optical axis, 0 where unknown; None if the source has none.
    """

    stamp_ns: int
    rgb: np.ndarray
    depth: np.ndarray | None = None


@runtime_checkable
class Source(Protocol):
    """A camera. The constructor takes and checks the options; one thread calls the three methods.

    Optional attributes:
        `adjustable` (of the class): size and rate can be requested; the node's parameters `width`, `height` and
        `rate_hz` that are not 0 become options of these names.
        `rate_hz`: frames per second, 0 if unknown.
        `always_changes`: the noise of the sensor makes any two frames differ, so that equal ones mean it is frozen.
        `fovy_deg`: vertical field of view, degrees.
        `gives_depth`: frames have depth.
        `reopens`: False if the source cannot be reopened after a failure, such as a recording.
    """

    def open(self) -> None:
        """Open the camera; called again after `close` when it was lost.

        Raises:
            SourceError: If it cannot be opened.
        """

    def read(self) -> Frame | None:
        """The next frame, after a bounded wait; None if none came.

        Raises:
            SourceError: If the camera is lost.
        """
        ...

    def close(self) -> None:
        """Release the camera; does nothing if it is not open."""


def parse_options(model: type[Options], options: Mapping[str, Any]) -> Options:
    """Options checked against a source's schema.

    Raises:
        SourceError: In one line, naming each wrong option.
    """
    try:
        checked = model.model_validate(dict(options))
    except ValidationError as error:
        found = (f"option '{p.field}': found {p.found}, expected {p.expected}" for p in problems(error, model))
        raise SourceError("; ".join(found)) from None
    for field, value in booleans(options, checked):
        raise SourceError(f"option '{field}': found {value}, expected a number")
    return checked
