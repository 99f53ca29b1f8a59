"""The interface to hardware: what a driver needs of an arm, hand or gripper.

A plug-in registers a factory ``(DeviceSettings) -> Device`` under the entry-point group ``hand_drivers.devices``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from math import inf, isfinite
from typing import Any, Protocol, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from contracts.errors import booleans, problems
from embodiments.registry import Embodiment

GROUP = "hand_drivers.devices"
AGAIN_S = 0.05


class DeviceError(RuntimeError):
    """The device cannot be reached or does not respond; the text names address or joint."""


@dataclass(frozen=True)
class JointSample:
    """A measured joint state.

    Attributes:
        stamp_ns: Time of the measurement, system time.
        position: (n,) rad, m for prismatic joints.
        velocity: (n,) rad/s or m/s.
        effort: (n,) Nm or N.
    """

    stamp_ns: int
    position: np.ndarray
    velocity: np.ndarray
    effort: np.ndarray


@dataclass(frozen=True)
class DeviceSettings:
    """What a plug-in makes its device from.

    Attributes:
        embodiment: The robot.
        side: Side of the station.
        part: "arm" or "hand".
        address: Where the device is, in the plug-in's own terms.
        options: The plug-in's own options, which its own schema checks.
        rt_priority: Real-time priority of the servo thread, for threads of a vendor's library that it waits for.
    """

    embodiment: Embodiment
    side: str
    part: str
    address: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    rt_priority: int = 0


class Device(Protocol):
    """A position-controlled device with ``joints`` in the order of its embodiment.

    All calls come from one thread at a time. ``read``, ``fault`` and ``write`` are called at the servo rate and must
    take much less than its period: a plug-in for a slow bus keeps the bus in a thread of its own. Any call may raise
    DeviceError. When it does for longer than the device timeout, or at once when anything else is raised, the device is
    lost: the driver reconnects it, and moves it again only after a reset.
    """

    joints: tuple[str, ...]

    def connect(self) -> None:
        """Open the connection and enable the device, without motion; bounded in time."""

    def read(self) -> JointSample:
        """Return the newest measured state."""
        ...

    def write(self, position: np.ndarray) -> None:
        """Set the position targets (n,)."""

    def stop(self) -> None:
        """Stop the device: it holds its position, or does what its vendor recommends."""

    def fault(self) -> str | None:
        """Return the device's own fault as text, None while there is none."""

    def clear_fault(self) -> None:
        """Try to clear the fault; ``fault`` then returns whether it remains."""

    def disconnect(self) -> None:
        """Close the connection, if there is one."""


class FaultlessDevice(Device):
    """Base of a device that has no faults of its own, and is stopped by a target at its measured position."""

    def stop(self) -> None:
        """Hold the measured position."""
        self.write(self.read().position)

    def fault(self) -> str | None:
        """Return None: there are no faults."""
        return None

    def clear_fault(self) -> None:
        """Do nothing."""


SLACK = 0.1  # rad; how far gravity keeps a joint of an arm, or an object a finger, from its target
FARTHEST = 100.0  # rad or m; no joint of a robot is farther from zero, and the first command is the measured position
Answered = TypeVar("Answered")


class Options(BaseModel):
    """Options of a plug-in: unknown ones are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


Kind = TypeVar("Kind", bound=Options)


def checked(sample: JointSample, count: int) -> JointSample:
    """Return the sample if each of its arrays is (count,), finite and below FARTHEST.

    Raises:
        DeviceError: it is not.
    """
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


def check_targets(name: str, position: np.ndarray) -> None:
    """Check that targets are finite.

    Raises:
        DeviceError: They are not; the text begins with the device's `name`.
    """
    if not np.isfinite(position).all():
        raise DeviceError(f"{name}: found targets {np.asarray(position).tolist()}, expected finite numbers")


def patiently(ask: Callable[[], Answered], times: int = 5) -> Answered:
    """Return the response to a request that moves nothing, with retries: at the start responses may come late.

    Args:
        ask: The request. Its last error is raised.
        times: Most requests; a device that is polled by a thread of its own has a newer response after AGAIN_S.
    """
    for _ in range(times - 1):
        with suppress(Exception):  # of any vendor's library
            return ask()
        time.sleep(AGAIN_S)
    return ask()


def targets_to_hold(commanded: np.ndarray, measured: np.ndarray, slack: float = SLACK) -> np.ndarray:
    """Return the targets (n,) of a device that stops: its last ones, but within `slack` of the measured position.

    An arm does not sink and a hand does not drop an object, and a joint that is kept from its target does not jump
    there when it is free again.
    """
    return measured + np.clip(commanded - measured, -slack, slack)


def read_options(kind: type[Kind], settings: DeviceSettings) -> Kind:
    """Return the options in `settings`.

    Raises:
        DeviceError: names the first wrong one, what was found and expected.
    """
    name = kind.__name__.removesuffix("Options").lower()
    try:
        options = kind.model_validate(dict(settings.options))
    except ValidationError as error:
        first = problems(error, kind)[0]
        raise DeviceError(f"{name}: option '{first.field}': found {first.found}, expected {first.expected}") from None
    for option, value in booleans(settings.options, options):
        raise DeviceError(f"{name}: option '{option}': found {value}, expected a number")
    return options
