"""Robots with ros2_control, driven through their joint_trajectory_controller.

See docs/reference/devices/ros2_control.md.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import numpy as np
from pydantic import Field
from rclpy.exceptions import InvalidTopicNameException
from rclpy.validate_full_topic_name import validate_full_topic_name

from hand_drivers.device import DeviceError, DeviceSettings, JointSample, Options, check_targets, read_options
from hand_drivers.devices.ros2_link import Link


class Ros2ControlOptions(Options):
    """Options of a robot behind ros2_control."""

    joint_states: str = Field(default="/joint_states", description="topic of the robot's joint_state_broadcaster")
    names: dict[str, str] = Field(
        default_factory=dict, description="joint of the embodiment -> of the controller, where they differ"
    )
    horizon_s: float = Field(
        default=0.02,
        gt=0,
        le=1,
        description="time to reach a target, s: two servo periods, 0.008 for an arm at 250 Hz",
    )
    max_age_s: float = Field(
        default=0.1, gt=0, le=2, description="age from which a joint state is refused, s: a miss in each period"
    )
    connect_s: float = Field(default=5.0, gt=0, le=60, description="longest wait for joint states and controller, s")


class Ros2ControlDevice:
    """Joints of one joint_trajectory_controller. Only `connect` waits for the robot."""

    def __init__(self, settings: DeviceSettings) -> None:
        self.joints = settings.embodiment.joints
        self._options = read_options(Ros2ControlOptions, settings)
        self._controller = full_name("address", settings.address)
        self._states = full_name("option 'joint_states'", self._options.joint_states)
        self._names = controller_names(self.joints, self._options.names)
        self._velocity = settings.embodiment.velocity
        self._sign = np.where(np.isin(self.joints, settings.embodiment.turned), -1.0, 1.0)
        self._node_name = f"{settings.side}_{settings.part}_ros2_control"
        self._name = f"ros2_control {self._controller}"
        self._link: Link | None = None

    def connect(self) -> None:
        """Wait for a joint state and the controller; sends nothing.

        Raises:
            DeviceError: If one of them is missing.
        """
        self.disconnect()
        self._link = link = Link(self._node_name, self._controller, self._states, self._names)
        deadline = time.monotonic() + self._options.connect_s
        while self._missing(link) and time.monotonic() < deadline:
            time.sleep(0.005)
        missing = self._missing(link)
        if missing:
            self.disconnect()
            raise DeviceError(f"{self._name}: {missing}, waited {self._options.connect_s:g} s")

    def read(self) -> JointSample:
        """Newest joint state, with the broadcaster's stamp; efforts that it does not publish are 0.

        Raises:
            DeviceError: If it is too old or invalid.
        """
        received = self._running().received
        age_s = time.monotonic() - received.at
        if received.error or received.sample is None:
            raise DeviceError(f"{self._name}: {self._states}: {received.error}")
        if age_s > self._options.max_age_s:
            raise DeviceError(f"{self._name}: {self._states}: no newer joint state for {age_s:.2f} s")
        sample = received.sample
        turned = (self._sign * part for part in (sample.position, sample.velocity, sample.effort))
        return JointSample(sample.stamp_ns, *turned)

    def write(self, position: np.ndarray) -> None:
        """Send a trajectory of one point (n,) that starts at once.

        Raises:
            DeviceError: For targets that are not finite, or a lost robot.
        """
        check_targets(self._name, position)  # the controller does not check it
        link = self._running()
        sample = link.received.sample
        if sample is None:
            raise DeviceError(f"{self._name}: {self._missing(link)}")
        target = self._sign * position
        link.send(target, time_to_reach(target - sample.position, self._velocity, self._options.horizon_s))

    def stop(self) -> None:
        """Hold the measured positions.

        Raises:
            DeviceError: For a lost robot.
        """
        self.write(self.read().position)

    def fault(self) -> str | None:
        """A second sender, or a controller without subscription; the controller's own faults are not published."""
        if self._link is not None and self._link.others:
            return f"{self._link.topic}: found the senders {self._link.others}, expected one"
        gone = self._link is not None and not self._link.has_controller
        return f"controller {self._controller} has no subscription" if gone else None

    def clear_fault(self) -> None:
        """Do nothing: the fault clears when the controller subscribes again."""

    def disconnect(self) -> None:
        """Destroy the node; the controller holds its last target."""
        if self._link is not None:
            link, self._link = self._link, None
            link.end()

    def _missing(self, link: Link) -> str:
        """What the connection lacks, "" if it is complete."""
        received = link.received
        if received.error or received.sample is None:
            return f"{self._states}: {received.error or 'no joint state'}"
        return "" if link.has_controller else f"no controller subscribes to {link.topic}"

    def _running(self) -> Link:
        if self._link is None:
            raise DeviceError(f"{self._name}: not connected")
        return self._link


def full_name(what: str, found: str) -> str:
    """Check that `found` is an absolute ROS name, and return it.

    Raises:
        DeviceError: If it is not; `what` names the parameter.
    """
    try:
        validate_full_topic_name(found)
    except InvalidTopicNameException:
        raise DeviceError(f"ros2_control: {what}: found {found!r}, expected a name such as /arm_controller") from None
    return found


def controller_names(joints: Sequence[str], names: Mapping[str, str]) -> tuple[str, ...]:
    """The controller's names of `joints`, in their order.

    Raises:
        DeviceError: If `names` has an unknown joint, or a name twice.
    """
    unknown = sorted(set(names) - set(joints))
    if unknown:
        raise DeviceError(f"ros2_control: option 'names': found {unknown[0]!r}, expected one of {', '.join(joints)}")
    found = tuple(names.get(joint, joint) for joint in joints)
    if len(set(found)) != len(found):
        raise DeviceError(f"ros2_control: option 'names': found {', '.join(found)}, expected each joint once")
    return found


def time_to_reach(gap: np.ndarray, velocity: np.ndarray, horizon_s: float) -> float:
    """Time to cover a distance within the velocity limits, at least the horizon.

    A controller that resumes after a pause then moves within the limits, rather than in one servo period.

    Args:
        gap: Distance to the targets (n,), rad.
        velocity: Velocity limits (n,), rad/s.
        horizon_s: Least time, s.

    Returns:
        The time, s.
    """
    return max(horizon_s, float(np.max(np.abs(gap) / velocity)))
