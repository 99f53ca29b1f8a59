"""A ROS node inside a device plug-in, apart from the driver's node: receives joint states, sends trajectories."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import JointState
from trajectory_msgs.msg import JointTrajectory

from hand_drivers.device import DeviceError, JointSample
from node_kit import messages, qos
from node_kit.ros_thread import RosThread
from node_kit.sole_publisher import known

START_NOW = 0  # the stamp of a trajectory that starts on arrival
OTHERS_EVERY_S = 0.2
CLOCKS_APART_NS = messages.SECOND  # a larger difference means another clock: simulated time, or one that is not set
# Receives from reliable and best-effort broadcasters; deep enough for other robots' messages on the same topic.
NEWEST = QoSProfile(depth=10, reliability=ReliabilityPolicy.BEST_EFFORT)


@dataclass(frozen=True)
class Received:
    """The newest sample, the time at which it was received (monotonic, s), and the error of a message after it."""

    sample: JointSample | None = None
    at: float = 0.0
    error: str = ""


def joint_sample(
    message: JointState, names: Sequence[str], now_ns: int, last: JointSample | None = None
) -> JointSample | None:
    """Convert a joint state message.

    Args:
        message: The message.
        names: The n joints.
        now_ns: System time, ns.
        last: The previous sample, from which velocities that the message lacks are computed.

    Returns:
        The joints in the order of `names`; None if the message has none of them, as it is another robot's.

    Raises:
        DeviceError: For an invalid message.
    """
    places = {name: place for place, name in enumerate(message.name)}
    missing = [name for name in names if name not in places]
    if len(missing) == len(names):
        return None
    if missing:
        raise DeviceError(f"joint {missing[0]} is missing, found {', '.join(message.name)}")
    if len(places) != len(message.name):
        raise DeviceError(f"found {', '.join(message.name)}, expected each joint once")
    stamp_ns = messages.stamp_ns(message.header)
    if abs(now_ns - stamp_ns) > CLOCKS_APART_NS:
        off = (stamp_ns - now_ns) / messages.SECOND
        raise DeviceError(f"found a stamp {off:+.2f} s from system time, expected within 1 s; use_sim_time?")
    order = [places[name] for name in names]
    position, velocity, effort = (_column(message, what, order) for what in ("position", "velocity", "effort"))
    if not np.isfinite(position).all():
        wrong = int(np.argmin(np.isfinite(position)))
        raise DeviceError(f"joint {names[wrong]}: found position {position[wrong]}, expected a finite number")
    velocity = np.where(np.isfinite(velocity), velocity, _velocity_since(last, position, stamp_ns))
    return JointSample(stamp_ns, position, velocity, np.where(np.isfinite(effort), effort, 0.0))


def _column(message: JointState, what: str, order: list[int]) -> np.ndarray:
    """Position, velocity or effort (n,); NaN where the message has none."""
    values = getattr(message, what)
    if what != "position" and not len(values):
        return np.full(len(order), np.nan)
    if len(values) != len(message.name):
        raise DeviceError(f"{what}: found {len(values)} numbers, expected {len(message.name)}, one a joint")
    return np.asarray(values, dtype=float)[order]


def _velocity_since(last: JointSample | None, position: np.ndarray, stamp_ns: int) -> np.ndarray:
    if last is None or stamp_ns <= last.stamp_ns:
        return np.zeros_like(position)
    return (position - last.position) / (1e-9 * (stamp_ns - last.stamp_ns))


class Link:
    """Receives joint states from a robot, and sends trajectories to its controller."""

    def __init__(self, node: str, controller: str, states: str, names: Sequence[str]) -> None:
        self.topic, self.received = f"{controller}/joint_trajectory", Received()
        self._names, self.others = names, ""  # the senders of trajectories, if there are others than this
        self._ros = RosThread(node)
        self._publisher = self._ros.node.create_publisher(JointTrajectory, self.topic, qos.COMMAND)
        self._ros.node.create_subscription(JointState, states, self._on_state, NEWEST)
        self._ros.node.create_timer(
            OTHERS_EVERY_S, self._look_for_others, clock=Clock(clock_type=ClockType.STEADY_TIME)
        )
        self._ros.start()

    @property
    def has_controller(self) -> bool:
        """Whether the trajectories have a subscriber."""
        return self._publisher.get_subscription_count() > 0

    def send(self, position: np.ndarray, seconds: float) -> None:
        """Publish a trajectory of one point (n,), to be reached in `seconds`."""
        self._publisher.publish(messages.joint_trajectory(self._names, START_NOW, [seconds], position[None]))

    def end(self) -> None:
        """Destroy the node."""
        self._ros.end()

    def _look_for_others(self) -> None:
        found = self._ros.node.get_publishers_info_by_topic(self.topic)
        names = [known(end.node_name) for end in found]
        self.others = ", ".join(sorted(names)) if len(names) > 1 else ""

    def _on_state(self, message: JointState) -> None:
        last = self.received.sample
        try:
            sample = joint_sample(message, self._names, time.time_ns(), last)
        except DeviceError as error:
            self.received = Received(last, self.received.at, str(error))
            return
        if sample is None and last is None:
            self.received = Received(error=f"joint {self._names[0]} is missing, found {', '.join(message.name)}")
        elif sample is not None and (last is None or sample.stamp_ns > last.stamp_ns):  # else it is a duplicate
            self.received = Received(sample, time.monotonic())
