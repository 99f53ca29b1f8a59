"""The node that shows the station to programs that know ROS: `robot_description`, `joint_states`, `tf`, `tf_static`.

No robot depends on it: it commands nothing, and its end stops nothing. It takes the newest joint states of each arm and
hand at its own rate, and publishes them with unique names and the stamps of their observation.
"""

from __future__ import annotations

import os
import sys
import time

import numpy as np
from pydantic import Field
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.qos import QoSProfile
from sensor_msgs.msg import JointState
from std_msgs.msg import String

from contracts.station import RobotStateSettings, load_station
from embodiments.assembly import Part, assemble
from node_kit import cdr, diagnostics, messages, qos
from node_kit.diagnostics import DiagnosticsPublisher
from node_kit.lifecycle import Lifecycle
from node_kit.main import spin
from node_kit.messages import MessageStatus
from node_kit.parameters import Parameters
from node_kit.polled_subscription import PolledSubscription
from node_kit.tf_message import TFMessage

NEWEST = QoSProfile(depth=1)
TF = QoSProfile(depth=100)  # as tf2_ros publishes it
NICENESS = 5  # what shows the motion must not delay it


class RobotStateParameters(RobotStateSettings, Parameters):
    """Parameters of the robot state publisher."""

    station: str = Field(min_length=1, description="path of the station's YAML file")


class RobotStatePublisher(Lifecycle):
    """See the module's docstring."""

    Parameters = RobotStateParameters

    def configure(self, parameters: RobotStateParameters) -> None:
        """Compose the robot, publish what does not change, and subscribe to what does."""
        assembly = assemble(load_station(parameters.station))
        self._description = self.keep(self.create_publisher(String, "robot_description", qos.LATCHED))
        self._tf_static = self.keep(self.create_publisher(TFMessage, "tf_static", qos.LATCHED))
        self._tf = self.keep(self.create_publisher(TFMessage, "tf", TF))
        self._states = self.keep(self.create_publisher(JointState, "joint_states", TF))
        self._published, self._refused = 0, ""
        self._sources = [_Source(self, part) for part in assembly.parts]
        clock = Clock(clock_type=ClockType.STEADY_TIME)
        self.keep(self.create_timer(1.0 / parameters.rate_hz, self._publish, clock=clock))
        self.keep(DiagnosticsPublisher(self, "robot_state", self._diagnose))
        self._description.publish(String(data=assembly.urdf()))
        frames = assembly.fixed()
        fixed = cdr.Transforms([(frame.parent, frame.name) for frame in frames])
        self._tf_static.publish(fixed.message(time.time_ns(), np.array([frame.pose for frame in frames])))

    def show(self, part: Part, transforms: cdr.Transforms, state: messages.JointArrays) -> None:
        """Publish a new state of a part."""
        values = (state.position, state.velocity, state.effort)
        self._states.publish(cdr.joint_state(part.joints, state.stamp_ns, *values))
        self._tf.publish(transforms.message(state.stamp_ns, part.transforms(state.position)))
        self._published += 1

    def refuse(self, reason: str) -> None:
        """Note why joint states are not shown."""
        self._refused = reason

    def _publish(self) -> None:
        if self.active:
            for source in self._sources:
                source.inbox.deliver()

    def _diagnose(self) -> diagnostics.Report:
        values = {"published": self._published, "refused": self._refused}
        return diagnostics.OK, "running" if self.active else "inactive", values


class _Source:
    """The newest joint states of one part."""

    def __init__(self, node: RobotStatePublisher, part: Part) -> None:
        self._node, self._part, self._stamp_ns = node, part, 0
        self._transforms = cdr.Transforms(part.ends(part.moving))
        self.inbox = PolledSubscription(node, JointState, part.topic, self._take, NEWEST, node.refuse, serialized=True)
        node.keep(self.inbox.subscription)

    def _take(self, message: bytes) -> None:
        """Show a state that is newer than the one before."""
        state, status = messages.joint_state_arrays(message, self._part.robot.joints)
        if status is not MessageStatus.OK:
            self._node.refuse(f"{self._part.topic}: {status}")
        elif state.stamp_ns > self._stamp_ns:
            self._stamp_ns = state.stamp_ns
            self._node.show(self._part, self._transforms, state)


def main() -> int:
    """Entry point."""
    os.nice(NICENESS)
    return spin(RobotStatePublisher, "robot_state_publisher")


if __name__ == "__main__":
    sys.exit(main())
