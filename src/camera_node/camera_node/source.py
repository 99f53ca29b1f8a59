"""What a camera is to the node: something that opens, gives frames, and closes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np
from pydantic import BaseModel, ValidationError

GROUP = "camera_node.sources"  # entry points: name -> factory(options: Mapping[str, Any]) -> Source
Options = TypeVar("Options", bound=BaseModel)


class SourceError(RuntimeError):
    """The camera cannot be opened or read; one line saying which and why."""


class SourceEnded(SourceError):  # noqa: N818  the end of a recording is no fault
    """A recording has been played to its end."""


@dataclass(frozen=True)
class Frame:
    """One picture: `stamp_ns` of its acquisition (system time), `rgb` (H, W, 3) uint8, and `depth` (H, W) uint16 in mm
    along the optical axis, 0 where it is not known, if the source has it; neither is reused by the source.
    """

    stamp_ns: int
    rgb: np.ndarray
    depth: np.ndarray | None = None


@runtime_checkable
class Source(Protocol):
    """A camera. The constructor takes the options and checks them; the three methods are called by one thread.

    Optional attributes: `adjustable` (of the class; True if size and rate can be asked for: the node's parameters
    `width`, `height` and `rate_hz` that are not 0 are then options of these names), `rate_hz` (frames per second,
    0 unknown), `always_changes` (a real sensor's noise makes any two frames differ, so that equal ones mean it is
    frozen), `fovy_deg` (vertical field of view), `gives_depth` (frames have depth), `reopens` (False if opening it
    again would not bring it back, as a recording).
    """

    def open(self) -> None:
        """Get ready; raises SourceError. Called again after `close` when the camera was lost."""

    def read(self) -> Frame | None:
        """The next frame, waiting a bounded time; None if none came. Raises SourceError if the camera is lost."""

    def close(self) -> None:
        """Let go of the camera; harmless when not open."""


def parse_options(model: type[Options], options: Mapping[str, Any]) -> Options:
    """Options checked against a source's schema. Raises SourceError of one line naming each wrong option."""
    try:
        return model.model_validate(dict(options))
    except ValidationError as error:
        problems = [f"option '{_place(item)}': found {item['input']!r}, {item['msg']}" for item in error.errors()]
        raise SourceError("; ".join(problems)) from None


def _place(item: Any) -> str:
    return ".".join(str(part) for part in item["loc"]) or "(all)"
