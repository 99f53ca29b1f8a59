"""The driver node, active, under random messages while its servo loop runs in real time; checked as without ROS."""

from __future__ import annotations

import time
from random import Random

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
AT_ONCE, SETTLE_S = 200, 0.02  # messages between two pauses, in which the servo loop gets on
ANY, AFTER_RESET = 10**9, 3  # commands that may begin anew, while a reset is answered and after it


def fuzz_node(count: int, seed: int) -> Outcome:
    """Messages to the callbacks of a real node, active, whose servo loop runs meanwhile in real time."""
    outcome, rng, began = Outcome("driver node"), Random(f"{seed} driver node"), time.time()
    robot = embodiments.load("xarm7", "left")
    parameters = {"side": "left", "part": "arm", "embodiment": "xarm7", "device": "loopback", "rate_hz": RATE_HZ}
    parameters["rt_priority"] = (
        0  # it would schedule the thread that activates it, and all that starts from there later
    )
    watch = Watch(motion_limits(robot), 1.0 / RATE_HZ)
    with _driver_node(parameters, watch, robot, seed) as node:
        mailbox = Mailbox(node)

        def settle() -> None:
            mailbox.tick()
            time.sleep(SETTLE_S)
            watch.settle()

        repeat(outcome, count, lambda: _event(node, mailbox, watch, robot, rng, outcome), settle, AT_ONCE)
        if not node._runtime.servo.running:
            outcome.fail("the servo loop has ended")
    conclude(outcome, watch, began)
    return outcome


def _driver_node(parameters: dict, watch: Watch, robot: Embodiment, seed: int):
    """The node, its loopback device watched and now and then without an answer."""

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
