"""Random messages for the active driver node, whose servo loop runs in real time; checked as the driver without ROS."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from random import Random
from typing import Any

from std_msgs.msg import Bool

import embodiments
from embodiments import Embodiment
from hand_drivers.device import DeviceSettings
from hand_drivers.devices.loopback import LoopbackDevice
from hand_drivers.node import DriverNode
from hand_drivers.settings import motion_limits
from system_tests.fuzz import random_messages
from system_tests.fuzz.driver_core import SPREAD, check_latch, conclude
from system_tests.fuzz.nodes import Mailbox, active
from system_tests.fuzz.outcome import ACCEPTED, Outcome, repeat
from system_tests.fuzz.watch import Watch, Watched

RATE_HZ = 500.0
AT_ONCE, SETTLE_S = 200, 0.02  # messages between two pauses for the servo loop
ANY, AFTER_RESET = 10**9, 3  # commands that may start from the measured position, during a reset and after it


def fuzz_node(count: int, seed: int) -> Outcome:
    """Send messages to the callbacks of an active node, whose servo loop runs in real time."""
    outcome, rng = Outcome("driver node"), Random(f"{seed} driver node")
    robot = embodiments.load("xarm7", "left")
    parameters = {"side": "left", "part": "arm", "embodiment": "xarm7", "device": "loopback", "rate_hz": RATE_HZ}
    parameters["rt_priority"] = (
        0  # otherwise it would schedule the activating thread, and all threads started from there
    )
    watch = Watch(motion_limits(robot), 1.0 / RATE_HZ, time.monotonic_ns)
    with _driver_node(parameters, watch, robot, seed) as node:
        mailbox = Mailbox(node)

        def settle() -> None:
            mailbox.tick()
            time.sleep(SETTLE_S)
            watch.settle()

        repeat(outcome, count, lambda: _event(node, mailbox, watch, robot, rng, outcome), settle, AT_ONCE)
        if not node._runtime.servo.running:
            outcome.fail("the servo loop has ended")
    conclude(outcome, watch)
    return outcome


def _driver_node(parameters: dict, watch: Watch, robot: Embodiment, seed: int) -> AbstractContextManager[Any]:
    """The node, with a monitored loopback device that fails at times."""

    class Node(DriverNode):
        def activate(self) -> None:
            device = LoopbackDevice(DeviceSettings(robot, "left", "arm"))
            self._driver.device = Watched(device, watch, Random(f"{seed} device"), 0.002)
            super().activate()

    return active(Node, "left_arm_driver", **parameters)


def _event(node: DriverNode, mailbox: Mailbox, watch: Watch, robot: Embodiment, rng: Random, outcome: Outcome) -> None:
    driver, kind, released = node._driver, rng.random(), False
    before = driver.state
    if kind < 0.95:
        chunks, refused = driver.counts.chunks, driver.counts.refused
        message = random_messages.trajectory(rng, robot.joints, robot.postures["home"], SPREAD)
        mailbox.deliver("/left/arm/command", message)
        if driver.counts.chunks + driver.counts.refused != chunks + refused + 1:
            watch.wrong("a message was neither accepted nor refused")
        outcome.take(ACCEPTED if driver.counts.chunks > chunks else driver.refusal)
    elif kind < 0.955:
        mailbox.deliver("/estop", Bool(data=rng.random() < 0.3))
    elif kind < 0.957:
        mailbox.call("stop")
    else:
        watch.permit(ANY)
        released = mailbox.call("reset").success
        watch.permit(AFTER_RESET)
    check_latch(before, driver.state, released, watch)
