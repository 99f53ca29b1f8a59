"""Robots that run ros2_control, driven through their joint_trajectory_controller.

See docs/reference/devices/ros2_control.md.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import numpy as np
from pydantic import Field
from rclpy.exceptions import InvalidTopicNameException
from rclpy.validate_full_topic_name import validate_full_topic_name

from hand_drivers.device import DeviceError, DeviceSettings, JointSample, Options, read_options
from hand_drivers.devices.ros2_link import Link


class Ros2ControlOptions(Options):
    """Options of a robot behind ros2_control."""

    joint_states: str = Field("/joint_states", description="topic of the robot's joint_state_broadcaster")
    names: dict[str, str] = Field(
        default_factory=dict, description="joint of the embodiment -> of the controller, where they differ"
    )
    horizon_s: float = Field(
        0.02,
        gt=0,
        le=1,
        description="time a target has to be reached in: two servo periods, 0.008 for an arm at 250 Hz",
    )
    max_age_s: float = Field(
        0.1, gt=0, le=2, description="an older state is none: the driver counts a miss in each period"
    )
    connect_s: float = Field(5.0, gt=0, le=60, description="longest time to find states and controller")


class Ros2ControlDevice:
    """Joints of one joint_trajectory_controller. No call waits for the robot but `connect`."""

    def __init__(self, settings: DeviceSettings) -> None:
        self.joints = settings.embodiment.joints
        self._options = read_options(Ros2ControlOptions, settings)
        self._controller = full_name("address", settings.address)
        self._states = full_name("option 'joint_states'", self._options.joint_states)
        self._names = controller_names(self.joints, self._options.names)
        self._velocity = settings.embodiment.velocity
        self._node_name = f"{settings.side}_{settings.part}_ros2_control"
        self._name = f"ros2_control {self._controller}"
        self._link: Link | None = None

    def connect(self) -> None:
        """Wait for a joint state, and for the controller to listen; sends nothing. Raises DeviceError."""
        self.disconnect()
        self._link = Link(self._node_name, self._controller, self._states, self._names)
        deadline = time.monotonic() + self._options.connect_s
        while self._missing() and time.monotonic() < deadline:
            time.sleep(0.005)
        missing = self._missing()
        if missing:
            self.disconnect()
            raise DeviceError(f"{self._name}: {missing}, waited {self._options.connect_s:g} s")

    def read(self) -> JointSample:
        """Newest joint state, with the broadcaster's stamp; effort that it does not tell is 0. Raises DeviceError."""
        heard = self._running().heard
        age_s = time.monotonic() - heard.at
        if heard.trouble:
            raise DeviceError(f"{self._name}: {self._states}: {heard.trouble}")
        if age_s > self._options.max_age_s:
            raise DeviceError(f"{self._name}: {self._states}: no newer joint state for {age_s:.2f} s")
        return heard.sample

    def write(self, position: np.ndarray) -> None:
        """Send a trajectory of one point (n,), to be begun at once. Raises DeviceError."""
        if not np.isfinite(position).all():  # the controller would let it through
            raise DeviceError(f"{self._name}: found targets {np.asarray(position).tolist()}, expected finite numbers")
        link = self._running()
        gap = position - link.heard.sample.position
        link.send(position, time_to_reach(gap, self._velocity, self._options.horizon_s))

    def stop(self) -> None:
        """Hold where the robot is measured. Raises DeviceError."""
        self.write(self.read().position)

    def fault(self) -> str | None:
        """That the controller went away; the controller does not tell its own."""
        gone = self._link is not None and not self._link.listened_to
        return f"controller {self._controller} does not listen" if gone else None

    def clear_fault(self) -> None:
        """Nothing to clear: the controller comes back by itself or not at all."""

    def disconnect(self) -> None:
        """Take the node away; the controller holds its last target."""
        if self._link is not None:
            link, self._link = self._link, None
            link.end()

    def _missing(self) -> str:
        """What a connection lacks, "" when it is complete."""
        heard = self._link.heard
        if heard.trouble or heard.sample is None:
            return f"{self._states}: {heard.trouble or 'no joint state'}"
        return "" if self._link.listened_to else f"no controller listens on {self._link.topic}"

    def _running(self) -> Link:
        if self._link is None:
            raise DeviceError(f"{self._name}: not connected")
        return self._link


def full_name(what: str, found: str) -> str:
    """`found` if it is an absolute ROS name. Raises DeviceError."""
    try:
        validate_full_topic_name(found)
    except InvalidTopicNameException:
        raise DeviceError(f"ros2_control: {what}: found {found!r}, expected a name such as /arm_controller") from None
    return found


def controller_names(joints: Sequence[str], names: Mapping[str, str]) -> tuple[str, ...]:
    """What the controller calls `joints`, in their order. Raises DeviceError."""
    unknown = sorted(set(names) - set(joints))
    if unknown:
        raise DeviceError(f"ros2_control: option 'names': found {unknown[0]!r}, expected one of {', '.join(joints)}")
    found = tuple(names.get(joint, joint) for joint in joints)
    if len(set(found)) != len(found):
        raise DeviceError(f"ros2_control: option 'names': found {', '.join(found)}, expected each joint once")
    return found


def time_to_reach(gap: np.ndarray, velocity: np.ndarray, horizon_s: float) -> float:
    """Seconds for a way of `gap` (n,) no faster than `velocity` (n,), at least the horizon.

    A controller that was paused and goes on gets there at a speed the robot may have, not within one servo period.
    """
    return max(horizon_s, float(np.max(np.abs(gap) / velocity)))
