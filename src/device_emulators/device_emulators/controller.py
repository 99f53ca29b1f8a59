"""`emulate_controller`: a robot with a joint_trajectory_controller and a joint_state_broadcaster, on ROS 2 topics."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import typer
from rclpy.subscription import Subscription
from sensor_msgs.msg import JointState
from trajectory_msgs.msg import JointTrajectory

import embodiments
from device_emulators.command import attend
from device_emulators.faults import Faults
from device_emulators.lag import Lag
from node_kit import messages, qos
from node_kit.ros_thread import RosThread

OTHERS = ("other_robot_joint1", "other_robot_joint2")


@dataclass(frozen=True)
class Setup:
    """Settings of the emulated controller.

    Attributes:
        name: Name of the controller.
        joints: Its n joints.
        position: Their initial positions (n,), rad.
        joint_states: Topic of the joint states.
        rate_hz: Rate of the joint states and of the controller.
        from_desired: Whether a new trajectory starts at the last command (`interpolate_from_desired_state`), rather
            than at the measured positions.
    """

    name: str
    joints: Sequence[str]
    position: np.ndarray
    joint_states: str = "/joint_states"
    rate_hz: float = 100.0
    from_desired: bool = False


@dataclass(frozen=True)
class Segment:
    """A linear motion between two joint positions (n,), started at a monotonic time, s."""

    start: np.ndarray
    goal: np.ndarray
    began: float
    seconds: float

    def at(self, now: float) -> np.ndarray:
        """Desired position (n,) at the monotonic time `now`."""
        share = np.clip((now - self.began) / self.seconds, 0, 1) if self.seconds > 0 else 1.0
        return self.start + share * (self.goal - self.start)


class TrajectoryController(AbstractContextManager):
    """Joints that move linearly to the last point of a trajectory.

    Supported faults: silent, frozen, late_s, and refuse, which removes the subscription. ``accepted`` holds the last
    trajectories; ``rejected`` counts those that the real controller would reject too.
    """

    def __init__(self, setup: Setup, faults: Faults) -> None:
        self.setup, self.faults, self.lag = setup, faults, Lag(setup.position)
        self.accepted: deque[JointTrajectory] = deque(maxlen=100)
        self.rejected = 0
        self._segment = Segment(self.lag.position, self.lag.position, 0.0, 0.0)
        self._new: JointTrajectory | None = None
        self._late: deque[tuple[float, JointState]] = deque()  # (time of publishing, message)
        self._ros = RosThread(setup.name.strip("/").replace("/", "_"))
        self._publisher = self._ros.node.create_publisher(JointState, setup.joint_states, qos.STATE)
        self._subscription: Subscription | None = None
        self._ros.node.create_timer(1.0 / setup.rate_hz, self._update)
        self._ros.start()

    def close(self) -> None:
        """Destroy the node."""
        self._ros.end()

    def __exit__(self, *_: object) -> None:
        self.close()

    def _update(self) -> None:
        self._update_subscription()
        now = time.monotonic()
        self.lag.frozen = self.faults.frozen
        self._publish(now)
        if self._new is not None:
            self._begin(self._new, now)
            self._new = None
        self.lag.target = self._segment.at(now + 1.0 / self.setup.rate_hz)

    def _update_subscription(self) -> None:
        if self.faults.refuse and self._subscription is not None:
            self._ros.node.destroy_subscription(self._subscription)
            self._subscription = None
        elif not self.faults.refuse and self._subscription is None:
            topic = f"{self.setup.name}/joint_trajectory"
            self._subscription = self._ros.node.create_subscription(JointTrajectory, topic, self._on_command, 10)

    def _begin(self, message: JointTrajectory, now: float) -> None:
        """Replace the current motion by one to the last point."""
        point = message.points[-1]
        goal = np.array([point.positions[message.joint_names.index(joint)] for joint in self.setup.joints])
        start = self.lag.target if self.setup.from_desired else self.lag.position
        seconds = point.time_from_start.sec + 1e-9 * point.time_from_start.nanosec
        self._segment = Segment(start, goal, now, seconds)

    def _on_command(self, message: JointTrajectory) -> None:
        chunk, status = messages.read_chunk(message, self.setup.joints)
        over = len(chunk) and chunk.stamp_ns and chunk.end_ns < time.time_ns()
        if status is not messages.MessageStatus.OK or over:
            self.rejected += 1
            return
        self.accepted.append(message)
        self._new = message

    def _publish(self, now: float) -> None:
        self._late.append((now + self.faults.delay_s(), self._state()))
        while self._late and self._late[0][0] <= now:
            message = self._late.popleft()[1]
            if not self.faults.silent:
                self._publisher.publish(message)

    def _state(self) -> JointState:
        """The joints in reverse order, between joints of other robots with unknown velocity; without effort."""
        names = [OTHERS[0], *reversed(self.setup.joints), OTHERS[1]]
        position, velocity = self.lag.position[::-1], self.lag.velocity[::-1]
        positions = np.concatenate([[0.1], position, [0.2]])
        velocities = np.concatenate([[np.nan], velocity, [np.nan]])
        return messages.joint_state(names, time.time_ns(), positions, velocities)


def run_controller(
    name: Annotated[str, typer.Option(help="the controller's name")] = "/joint_trajectory_controller",
    embodiment: Annotated[str, typer.Option(help="the robot, as in the embodiments package")] = "xarm7",
    joint_states: Annotated[str, typer.Option(help="topic of the joint states")] = "/joint_states",
    rate_hz: Annotated[float, typer.Option(help="rate of the joint states and of the controller")] = 100.0,
    from_desired: Annotated[bool, typer.Option(help="as interpolate_from_desired_state")] = False,
) -> None:
    """Emulate a robot behind ros2_control, with the joints of an embodiment."""
    faults, robot = Faults(), embodiments.load(embodiment)
    posture = next(iter(robot.postures.values()))
    setup = Setup(name, robot.joints, posture, joint_states, rate_hz, from_desired)
    with TrajectoryController(setup, faults):
        attend(name, faults)


def emulate_controller() -> None:
    """Command line."""
    typer.run(run_controller)
