"""The seam to hardware: what a driver asks of an arm, hand or gripper.

A plug-in registers a factory ``(DeviceSettings) -> Device`` under the entry-point group ``hand_drivers.devices``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from math import inf, isfinite
from typing import Any, Protocol, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from contracts.errors import problems
from embodiments.registry import Embodiment

GROUP = "hand_drivers.devices"


class DeviceError(RuntimeError):
    """The device cannot be reached or does not answer; the text names address or joint."""


@dataclass(frozen=True)
class JointSample:
    """A measured joint state: stamp of the measurement (int ns, system time), arrays (n,) in rad, rad/s, Nm
    (m, m/s, N for prismatic joints)."""

    stamp_ns: int
    position: np.ndarray
    velocity: np.ndarray
    effort: np.ndarray


@dataclass(frozen=True)
class DeviceSettings:
    """What a plug-in is made from; ``options`` is its own, checked by its own schema, and ``rt_priority``
    that of the servo thread, for those threads of a vendor's library that it waits for."""

    embodiment: Embodiment
    side: str
    part: str
    address: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    rt_priority: int = 0


class Device(Protocol):
    """A position-controlled device with ``joints`` in the order of its embodiment.

    All calls come from one thread at a time. ``read``, ``fault`` and ``write`` are called at the servo rate and must be
    bounded well below its period: a plug-in for a slow bus keeps the bus in a thread of its own. Any call may raise
    DeviceError. When that goes on for longer than the device timeout, or at once when anything else is raised, the
    device is lost: the driver reconnects it, and moves it again only after a reset.
    """

    joints: tuple[str, ...]

    def connect(self) -> None:
        """Open the connection and enable the device, without motion; bounded in time."""

    def read(self) -> JointSample:
        """Newest measured state."""

    def write(self, position: np.ndarray) -> None:
        """Set the position targets (n,)."""

    def stop(self) -> None:
        """Bring the device to its defined stop: it holds where it is, or as its vendor recommends."""

    def fault(self) -> str | None:
        """The device's own fault in words, None while there is none."""

    def clear_fault(self) -> None:
        """Try to clear the fault; ``fault`` tells whether it went."""

    def disconnect(self) -> None:
        """Close the connection; harmless when there is none."""


SLACK = 0.1  # rad; as far from its target as gravity leaves a joint of an arm, or a finger stays that holds something
FARTHEST = 100.0  # rad or m: no joint of a robot is farther from its zero, and a command would start from there
Factory = Callable[[DeviceSettings], Device]
Answered = TypeVar("Answered")


class Options(BaseModel):
    """Options of a plug-in: unknown ones are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


Kind = TypeVar("Kind", bound=Options)


def checked(sample: JointSample, count: int) -> JointSample:
    """The sample if each of its arrays is (count,) and finite, and a robot can be there; else raises DeviceError."""
    for name, values, limit in (
        ("positions", sample.position, FARTHEST),
        ("velocities", sample.velocity, inf),
        ("efforts", sample.effort, inf),
    ):
        found = np.asarray(values).tolist()
        sound = np.shape(values) == (count,) and all(map(isfinite, found))
        if not sound or max(map(abs, found), default=0.0) >= limit:
            raise DeviceError(f"the device reports {name} {found}, expected {count} finite numbers")
    return sample


def patiently(ask: Callable[[], Answered], times: int = 5) -> Answered:
    """The answer to a question that moves nothing. While a robot is taken over its answers may come late, so one that
    fails is asked again; raises what the last one raised."""
    for _ in range(times - 1):
        with suppress(Exception):  # of any vendor's library
            return ask()
    return ask()


def targets_to_hold(told: np.ndarray, measured: np.ndarray, slack: float = SLACK) -> np.ndarray:
    """Targets (n,) of a device that stops: those it was told, but within `slack` of where it is. An arm does not sink
    and a hand does not drop what it holds, and a joint that is kept from its target does not jump there when freed."""
    return measured + np.clip(told - measured, -slack, slack)


def read_options(kind: type[Kind], settings: DeviceSettings) -> Kind:
    """The options in `settings`. Raises DeviceError that names the first wrong one, what was found and expected."""
    try:
        return kind.model_validate(dict(settings.options))
    except ValidationError as error:
        first, name = problems(error, kind)[0], kind.__name__.removesuffix("Options").lower()
        raise DeviceError(f"{name}: option '{first.field}': found {first.found}, expected {first.expected}") from None
