"""A driver node in a process of its own, and a node that commands it as the rest of the graph does."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from rclpy.qos import QoSProfile
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool
from trajectory_msgs.msg import JointTrajectory

from embodiments import registry
from node_kit import messages, qos, testing

DEFAULTS = {
    "autostart": True,
    "side": "left",
    "part": "arm",
    "embodiment": "xarm7",
    "device": "loopback",
    "rate_hz": 100.0,
}


class DriverProcess(testing.NodeProcess):
    """Parameters as in `hand_drivers.node`, and `namespace`; a plug-in in `directory` (see `write_plugin`) is found."""

    def __init__(self, directory: Path, parameters: dict[str, object]) -> None:
        namespace = str(parameters.pop("namespace", ""))
        super().__init__(directory, "hand_drivers.node", "left_arm_driver", "driver/left/arm", namespace)
        self.robot = registry.load("xarm7", "left")
        self.home = np.array(self.robot.postures["home"])
        self.states: list[messages.JointArrays] = []
        self.node.create_subscription(JointState, "left/arm/joint_states", self._on_state, qos.STATE)
        self.estops: list[bool] = []  # what is published on /estop
        profile = QoSProfile(depth=10)
        self.node.create_subscription(Bool, "estop", lambda message: self.estops.append(message.data), profile)
        self._commands = self.node.create_publisher(JointTrajectory, "left/arm/command", qos.COMMAND)
        self._estop = self.node.create_publisher(Bool, "estop", qos.LATCHED)
        self.start({**DEFAULTS, **parameters})

    # What it publishes

    @property
    def position(self) -> np.ndarray:
        return self.states[-1].position

    def states_of(self, seconds: float) -> list[messages.JointArrays]:
        """The joint states received within `seconds`."""
        before = len(self.states)
        self.listen(seconds)
        return self.states[before:]

    def next_states(self, count: int) -> list[messages.JointArrays]:
        """The next joint states."""
        before = len(self.states)
        self.wait_for(lambda: len(self.states) >= before + count, f"{count} joint states")
        return self.states[before:]

    def wait_until_ready(self) -> DriverProcess:
        self.wait_for(lambda: self.states and self._commands.get_subscription_count() > 0, "the start")
        return self

    # What it receives

    def send(self, points: np.ndarray, names: tuple[str, ...] | None = None, age_s: float = 0.0, step_s=0.1) -> None:
        points = np.atleast_2d(points)
        stamp = time.time_ns() - round(age_s * 1e9)
        times = step_s * np.arange(1, len(points) + 1)
        self._commands.publish(messages.joint_trajectory(names or self.robot.joints, stamp, times, points))

    def follow(self, target: np.ndarray, until: Callable[[], object], what: str = "the motion") -> None:
        """Send ``target`` ten times a second until a condition holds."""
        following = [0.0]

        def step() -> object:
            if time.monotonic() - following[0] >= 0.1:
                following[0] = time.monotonic()
                self.send(target)
            return until()

        self.wait_for(step, what)

    def start_moving(self) -> None:
        """Start a motion to a distant target, with points left for 5 s."""
        far = self.home + 1.0
        self.send(np.linspace(self.home, far, 6)[1:], step_s=0.4)
        self.wait_for(lambda: np.abs(self.position - self.home).max() > 0.02, "the first motion")

    def estop(self, asserted: bool) -> None:
        self._estop.publish(Bool(data=asserted))

    def estop_unlatched(self) -> None:
        """Assert the emergency stop from a publisher with volatile durability."""
        publisher = self.node.create_publisher(Bool, "estop", QoSProfile(depth=1))
        self.wait_for(lambda: publisher.get_subscription_count() > 0, "discovery")
        publisher.publish(Bool(data=True))

    def release_and_reset(self) -> None:
        """Release the emergency stop, which the driver receives some time after, and reset."""

        def resumed() -> bool:
            self.estop(False)
            return self.trigger("reset").success

        self.wait_for(resumed, "the reset")

    def _on_state(self, message: JointState) -> None:
        arrays, status = messages.joint_state_arrays(message, self.robot.joints)
        assert status is messages.MessageStatus.OK
        self.states.append(arrays)


def write_plugin(directory: Path, name: str, source: str) -> None:
    """A device plug-in; `source` defines a class `Device`."""
    testing.write_plugin(directory, "hand_drivers.devices", name, source, "Device")
