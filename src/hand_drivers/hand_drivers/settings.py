"""From a driver node's parameters to its device, limits and settings; everything is checked here."""

from __future__ import annotations

import json
from typing import Any, Literal

from pydantic import Field

from contracts import plugins
from embodiments import registry
from embodiments.registry import Embodiment
from hand_drivers.device import GROUP, Device, DeviceError, DeviceSettings
from hand_drivers.guard import MotionLimits
from hand_drivers.status import DriverSettings
from node_kit.parameters import Parameters

_DEVICE_TIMEOUT_S = {"arm": 0.1, "hand": 0.05}
_MAX_BEHIND = {"arm": 0.4, "hand": 0.0}  # twice what a servo that lags 70 ms is behind at 3 rad/s
_PUBLISH_RATE_HZ = {"arm": 100.0, "hand": 50.0}


class DriverParameters(Parameters):
    """Parameters of a driver node."""

    side: Literal["left", "right"] = Field(description="side of the station")
    part: Literal["arm", "hand"] = Field(description="which part of the side; a gripper is a hand")
    embodiment: str = Field(description="name of the robot, as in the embodiments package")
    device: str = Field(description="name of the device plug-in (entry-point group hand_drivers.devices)")
    address: str = Field("", description="where the device is, in the plug-in's own terms")
    options: str = Field("{}", description="the plug-in's own options, a JSON object")
    rate_hz: float = Field(100.0, ge=10, le=1000, description="rate of the servo loop")
    command_timeout_s: float = Field(
        0.2, gt=0, le=2, description="a command is followed until its observation is this old; then brake and hold"
    )
    device_timeout_s: float | None = Field(
        None,
        ge=0,
        le=5,
        description="a device without a measurement for so long is lost until reset, s; default: 0.1 for arms, 0.05 "
        "for hands, whose last measurement counts a while (max_age_s)",
    )
    max_behind: float | None = Field(
        None,
        ge=0,
        le=3,
        description="a joint so far from its command, or half as far for 0.5 s, and not on its way there, stops all, "
        "rad; 0: never; default: 0.4 for arms, 0 for hands, which objects stop",
    )
    blend_s: float = Field(0.2, ge=0, le=5, description="duration of the transition from rest to a command")
    publish_rate_hz: float | None = Field(None, gt=0, le=1000, description="default: 100 for arms, 50 for hands")
    speed: float = Field(1.0, gt=0, le=1, description="share of the robot's velocity and acceleration limits")
    priority: int = Field(
        50,
        ge=0,
        le=99,
        description="real-time priority of the servo thread and of those it waits for, where permitted; 0: none",
    )
    stop_all: bool = Field(True, description="a fault or loss of this device asserts /estop for the whole station")
    cpu: int = Field(-1, ge=-1, le=1023, description="processor that the servo thread keeps to; -1: any")

    @property
    def publish_hz(self) -> float:
        """The rate of joint_states, in force or by default."""
        return self.publish_rate_hz or _PUBLISH_RATE_HZ[self.part]

    @property
    def driver(self) -> DriverSettings:
        """Settings of the driver core."""
        return DriverSettings(
            rate_hz=self.rate_hz,
            command_timeout_s=self.command_timeout_s,
            device_timeout_s=_DEVICE_TIMEOUT_S[self.part] if self.device_timeout_s is None else self.device_timeout_s,
            max_behind=_MAX_BEHIND[self.part] if self.max_behind is None else self.max_behind,
            blend_s=self.blend_s,
        )


def robot(parameters: DriverParameters) -> Embodiment:
    """The embodiment named, on its side. Raises EmbodimentError; ValueError when it is no such part."""
    found = registry.load(parameters.embodiment, parameters.side)
    kinds = ("arm",) if parameters.part == "arm" else ("hand", "gripper")
    if found.kind not in kinds:
        expected = " or ".join(kinds)
        raise ValueError(f"parameter 'embodiment': found '{found.name}', of kind {found.kind}; expected {expected}")
    return found


def motion_limits(robot: Embodiment, speed: float = 1.0) -> MotionLimits:
    """The limits of the robot, velocity and acceleration scaled by ``speed``."""
    return MotionLimits(robot.lower, robot.upper, robot.velocity * speed, robot.acceleration * speed)


def make_device(parameters: DriverParameters, robot: Embodiment) -> Device:
    """The device of the plug-in named, not connected. Raises PluginError, DeviceError, ValueError."""
    factory = plugins.load(GROUP, parameters.device)
    where = (parameters.side, parameters.part, parameters.address)
    device = factory(DeviceSettings(robot, *where, options(parameters.options), parameters.priority))
    if tuple(device.joints) != tuple(robot.joints):
        raise DeviceError(
            f"device '{parameters.device}': found joints {list(device.joints)}, expected {list(robot.joints)}"
        )
    return device


def options(text: str) -> dict[str, Any]:
    """The JSON object in ``text``. Raises ValueError saying what is there instead."""
    try:
        found = json.loads(text)
    except ValueError as error:
        raise ValueError(f"parameter 'options': found {text!r}, expected a JSON object: {error}") from None
    if not isinstance(found, dict):
        raise ValueError(f"parameter 'options': found {text!r}, expected a JSON object")
    return found
