"""The settings of a driver, and what is made from them: the robot, its limits and its device. No ROS."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from contracts import plugins
from contracts.servo import RATE_HZ, ByPart, PartName, RateHz, ServoSettings
from embodiments import registry
from embodiments.registry import Embodiment
from hand_drivers.device import GROUP, Device, DeviceError, DeviceSettings
from hand_drivers.guard import MotionLimits


class DriverSettings(ServoSettings):
    """Settings of a driver: rates in Hz, times in s, joint positions in rad (m for prismatic joints)."""

    renamed: ClassVar[dict[str, str]] = {
        **ServoSettings.renamed,
        "max_behind": "max_following_error",
        "blend_s": "ramp_up_s",
        "speed": "velocity_scaling",
    }

    # What makes a robot slower, or stops it sooner
    at_run_time: ClassVar[frozenset[str]] = frozenset(
        {"velocity_scaling", "ramp_up_s", "command_timeout_s", "max_following_error"}
    )

    part: PartName = Field(description="which part of the side; a gripper is a hand")
    rate_hz: RateHz = Field(default_factory=RATE_HZ)
    publish_rate_hz: float = Field(default=50.0, gt=0, le=1000, description="rate of joint_states")
    device_timeout_s: float = Field(
        default_factory=ByPart(arm=0.16, hand=0.05),
        ge=0,
        le=5,
        description="a device without a measurement for so long is lost until reset; shorter for hands, whose last "
        "measurement counts a while (max_age_s)",
    )
    # .4 rad: twice what a servo that lags 70 ms is behind at 3 rad/s
    max_following_error: float = Field(
        default_factory=ByPart(arm=0.4, hand=0.0),
        ge=0,
        le=3,
        description="a joint so far from its command, or half as far for 0.5 s, and not on its way there, is a fault; "
        "0: never, as for hands, which objects stop",
    )
    ramp_up_s: float = Field(default=0.2, ge=0, le=5, description="duration of the transition from rest to a command")
    velocity_scaling: float = Field(
        default=1.0, gt=0, le=1, description="share of the robot's velocity and acceleration limits"
    )


def load_robot(embodiment: str, side: str, part: PartName) -> Embodiment:
    """Return the embodiment of that name, on its side.

    Raises:
        EmbodimentError: there is none.
        ValueError: it is not an arm, or not a hand.
    """
    found = registry.load(embodiment, side)
    kinds = ("arm",) if part == "arm" else ("hand", "gripper")
    if found.kind not in kinds:
        expected = " or ".join(kinds)
        raise ValueError(f"parameter 'embodiment': found '{found.name}', of kind {found.kind}; expected {expected}")
    return found


def motion_limits(robot: Embodiment, velocity_scaling: float = 1.0) -> MotionLimits:
    """Return the limits of the robot, velocity and acceleration times ``velocity_scaling``.

    A robot that moves faster when they are lowered brakes at its full acceleration.
    """
    velocity, acceleration = robot.velocity * velocity_scaling, robot.acceleration * velocity_scaling
    return MotionLimits(robot.lower, robot.upper, velocity, acceleration, robot.acceleration)


def make_device(plugin: str, settings: DeviceSettings) -> Device:
    """Return a device of the plug-in of that name, not connected.

    Raises:
        PluginError: there is no such plug-in.
        DeviceError: wrong options, or joints that are not those of the embodiment.
    """
    device = plugins.load(GROUP, plugin)(settings)
    expected = settings.embodiment.joints
    if tuple(device.joints) != tuple(expected):
        raise DeviceError(f"device '{plugin}': found joints {list(device.joints)}, expected {list(expected)}")
    return device
