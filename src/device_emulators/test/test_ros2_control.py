"""Robots behind ros2_control: the plug-in against an emulated controller, on real topics."""

from __future__ import annotations

import re
import signal
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest
import rclpy
from benches import assert_one_late_response_loses_nothing, started, ticked_until
from driver_process import write_plugin
from hypothesis import assume, given
from hypothesis import strategies as st
from sensor_msgs.msg import JointState
from trajectory_msgs.msg import JointTrajectory
from waiting import read_error

import embodiments
from device_emulators.controller import OTHERS, Setup, TrajectoryController
from device_emulators.faults import Faults
from hand_drivers.device import DeviceError, DeviceSettings
from hand_drivers.devices.ros2_control import Ros2ControlDevice, controller_names, time_to_reach
from hand_drivers.devices.ros2_link import CLOCKS_APART_NS, joint_sample
from hand_drivers.driver import Driver
from hand_drivers.status import State
from node_kit import messages, qos
from node_kit.ros_thread import RosThread
from node_kit.sole_publisher import UNKNOWN
from node_kit.testing import until

pytestmark = pytest.mark.graph

ROBOT = embodiments.load("xarm7")
HOME = ROBOT.postures["home"]
CONTROLLER, STATES = "/arm_controller", "/robot/joint_states"
OPTIONS = {"joint_states": STATES, "max_age_s": 0.5, "connect_s": 10.0}
SOON = {"connect_s": 1.0}  # for tests of a missing robot
NAMES = {joint: f"left_{joint}" for joint in ROBOT.joints}
NOW = 1_700_000_000 * messages.SECOND


class Bench:
    """A robot with an emulated controller, and the device that drives it."""

    def __init__(self, names: dict[str, str] | None = None) -> None:
        self.faults = Faults()
        self._joints = controller_names(ROBOT.joints, names or {})
        self.device = make(names=names or {})
        self.controller = self.begin()

    def begin(self) -> TrajectoryController:
        """The robot is switched on."""
        self.controller = TrajectoryController(Setup(CONTROLLER, self._joints, HOME, STATES), self.faults)
        return self.controller

    def close(self) -> None:
        self.device.disconnect()
        self.controller.close()


class StatePublisher:
    """A publisher of joint states."""

    def __init__(self) -> None:
        self._ros = RosThread("speaker")
        self._publisher = self._ros.node.create_publisher(JointState, STATES, qos.STATE)
        self._ros.start()

    def publish(self, message: JointState) -> None:
        self._publisher.publish(message)

    def close(self) -> None:
        self._ros.end()


def make(**options: object) -> Ros2ControlDevice:
    return Ros2ControlDevice(DeviceSettings(ROBOT, "left", "arm", CONTROLLER, OPTIONS | options))


def state(names=ROBOT.joints, position=HOME, stamp_ns: int | None = None) -> JointState:
    return messages.joint_state(names, time.time_ns() if stamp_ns is None else stamp_ns, np.asarray(position))


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    bench.close()


@pytest.fixture
def publisher() -> Iterator[StatePublisher]:
    publisher = StatePublisher()
    yield publisher
    publisher.close()


@pytest.fixture
def driver(bench) -> Driver:
    return started(bench.device, ROBOT, device_timeout_s=0.1)


def ticks_to(driver: Driver, state: State, seconds: float = 10.0) -> bool:
    return until(lambda: driver.tick(time.monotonic_ns()) or driver.state is state, seconds)


# The robot as it should be


def test_joints_are_read_by_name_in_any_order_beside_other_joints(bench):
    bench.device.connect()
    assert bench.device.read().position == pytest.approx(HOME)
    assert bench.device.joints == ROBOT.joints


def test_the_robot_follows_its_targets(bench):
    bench.device.connect()
    target = HOME + np.linspace(-0.2, 0.2, 7)
    for goal in (target, HOME):
        assert until(lambda g=goal: bench.device.write(g) or np.abs(bench.device.read().position - g).max() < 1e-3)
    assert bench.controller.rejected == 0


def test_connecting_sends_nothing(bench):
    bench.device.connect()
    first = bench.device.read().stamp_ns
    assert until(lambda: bench.device.read().stamp_ns > first + 100_000_000)
    assert not bench.controller.accepted and not bench.controller.rejected


def test_a_target_is_one_point_that_begins_now_and_ends_at_the_horizon(bench):
    bench.device = make(horizon_s=0.04)
    bench.device.connect()
    bench.device.write(HOME + 0.01)
    assert until(lambda: bench.controller.accepted)
    message = bench.controller.accepted[-1]
    chunk, status = messages.read_chunk(message, ROBOT.joints)
    assert status is messages.MessageStatus.OK and chunk.stamp_ns == 0
    assert chunk.times_s == pytest.approx([0.04]) and chunk.points == pytest.approx(np.array([HOME + 0.01]))


def test_a_far_target_is_given_the_time_it_needs_at_the_robot_s_speed(bench):
    bench.device.connect()
    bench.device.write(HOME + np.array([0, 0, 1.57, 0, 0, 0, 0]))
    assert until(lambda: bench.controller.accepted)
    times = messages.read_chunk(bench.controller.accepted[-1], ROBOT.joints)[0].times_s
    assert times == pytest.approx([1.57 / ROBOT.velocity[2]])


def test_stopping_sends_the_robot_where_it_is_measured(bench):
    bench.faults.frozen = True
    bench.device.connect()
    bench.device.write(HOME + 0.5)
    bench.device.stop()
    assert until(lambda: len(bench.controller.accepted) == 2)
    points = messages.read_chunk(bench.controller.accepted[-1], ROBOT.joints)[0].points
    assert points == pytest.approx(HOME[None])


def test_the_controller_s_names_may_be_others():
    bench = Bench(NAMES)
    try:
        bench.device.connect()
        target = HOME + np.linspace(-0.1, 0.1, 7)
        assert until(lambda: bench.device.write(target) or np.abs(bench.device.read().position - target).max() < 1e-3)
        assert bench.controller.accepted[-1].joint_names == [NAMES[joint] for joint in ROBOT.joints]
    finally:
        bench.close()


def test_stamps_are_those_of_the_broadcaster(bench, publisher):
    bench.device.connect()
    bench.faults.silent = True
    stamp_ns = time.time_ns() + 500_000_000  # another machine's clock

    assert until(lambda: publisher.publish(state(stamp_ns=stamp_ns)) or bench.device.read().stamp_ns == stamp_ns)


def test_connecting_again_and_again_leaves_nothing_behind(bench):
    bench.device.connect()
    threads = threading.active_count()
    for _ in range(3):
        bench.device.connect()
    assert threading.active_count() == threads
    bench.device.disconnect()
    bench.device.disconnect()
    assert "left_arm_ros2_control" not in {thread.name for thread in threading.enumerate()}
    with pytest.raises(DeviceError, match="not connected"):
        bench.device.read()


def test_ros_of_the_process_itself_is_left_alone(bench):
    assert not rclpy.ok()
    bench.device.connect()
    assert not rclpy.ok()


# What goes wrong


def test_missing_states_are_no_measurement(bench):
    bench.device.connect()
    bench.faults.silent = True
    assert until(lambda: read_error(bench.device))
    with pytest.raises(DeviceError, match=f"ros2_control {CONTROLLER}: {STATES}: no newer joint state for 0"):
        bench.device.read()
    bench.faults.silent = False
    assert until(lambda: not read_error(bench.device))


def test_one_late_joint_state_loses_nothing(bench):
    assert_one_late_response_loses_nothing(bench.device, ROBOT, bench.faults, 0.1)


def test_stale_states_are_no_measurement(bench):
    bench.device.connect()
    bench.faults.late_s = 1.2
    assert until(lambda: "expected within 1 s" in read_error(bench.device))


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (lambda: state(ROBOT.joints[:6], HOME[:6]), "joint joint7 is missing, found joint1, joint2"),
        (lambda: state(position=HOME[:6]), "position: found 6 numbers, expected 7, one a joint"),
        (lambda: state(position=[*HOME[:2], np.nan, *HOME[3:]]), "joint joint3: found position nan"),
        (lambda: state(position=[np.inf, *HOME[1:]]), "joint joint1: found position inf"),
        (lambda: state(("joint1", *ROBOT.joints), np.zeros(8)), "expected each joint once"),
        (lambda: state(stamp_ns=0), "use_sim_time"),
        (lambda: state(stamp_ns=time.time_ns() - 2 * CLOCKS_APART_NS), r"stamp -2.0\d s from system time"),
        (lambda: state(stamp_ns=time.time_ns() + 2 * CLOCKS_APART_NS), r"stamp \+(2.0|1.9)\d s from system time"),
    ],
)
def test_an_invalid_state_is_refused_with_its_reason(bench, publisher, message, expected):
    bench.device.connect()
    bench.faults.silent = True
    assert until(lambda: read_error(bench.device))
    assert until(lambda: publisher.publish(message()) or re.search(expected, read_error(bench.device)))


def test_a_state_received_twice_is_used_once(bench, publisher):
    bench.device.connect()
    bench.faults.silent = True
    assert until(lambda: read_error(bench.device))
    again = bench.device._link.received.sample.stamp_ns
    sent = []
    assert not until(lambda: sent.append(publisher.publish(state(stamp_ns=again))) or not read_error(bench.device), 0.3)
    assert len(sent) > 5
    assert until(lambda: publisher.publish(state()) or not read_error(bench.device))


def test_states_of_other_robots_on_the_topic_are_ignored(bench, publisher):
    bench.device.connect()
    strangers = state(OTHERS, np.array([np.nan, 1.0]), stamp_ns=0)
    first = bench.device.read().stamp_ns
    assert until(lambda: publisher.publish(strangers) or bench.device.read().stamp_ns > first + 200_000_000)


def test_a_missing_robot_is_reported_with_its_topic():
    with pytest.raises(DeviceError, match=f"ros2_control {CONTROLLER}: {STATES}: no joint state, waited 0.3 s"):
        make(connect_s=0.3).connect()


def test_joint_states_alone_are_no_controller(bench):
    bench.faults.refuse = True
    assert until(lambda: bench.controller._subscription is None)
    with pytest.raises(DeviceError, match=f"no controller subscribes to {CONTROLLER}/joint_trajectory"):
        make(**SOON).connect()


def test_unexpected_joint_names_are_reported_at_connection(bench):
    with pytest.raises(DeviceError, match=f"joint left_joint1 is missing, found {OTHERS[0]}, joint7, joint6"):
        make(names=NAMES, **SOON).connect()


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_non_finite_targets_are_not_sent(bench, wrong):
    bench.device.connect()
    with pytest.raises(DeviceError, match="expected finite numbers"):
        bench.device.write(np.full(7, wrong))
    bench.device.write(HOME)
    assert until(lambda: bench.controller.accepted)
    assert len(bench.controller.accepted) == 1


def test_a_lost_controller_stops_the_driver_until_return_and_reset(bench, driver):
    bench.faults.refuse = True
    assert ticks_to(driver, State.STOPPED) and ticked_until(driver, lambda: driver.at_rest)
    assert driver.reason == f"controller {CONTROLLER} has no subscription"
    assert driver.reset() == (False, driver.reason)
    bench.faults.refuse = False
    assert until(lambda: driver.reset()[0]) and driver.state is State.HOLDING


def test_a_robot_that_responds_again_is_reconnected_and_needs_a_reset(bench, driver):
    bench.controller.close()
    assert ticks_to(driver, State.LOST)
    assert not driver.reset()[0]
    bench.begin()
    assert until(driver.reconnect)
    assert driver.state is State.STOPPED and driver.reason == "the device was lost and is back"
    assert ticked_until(driver, lambda: driver.reset()[0]) and driver.state is State.HOLDING


def test_a_second_sender_of_trajectories_stops_the_driver_and_is_named(bench, driver):
    other = RosThread("teleoperation")
    other.node.create_publisher(JointTrajectory, f"{CONTROLLER}/joint_trajectory", qos.COMMAND)
    other.start()
    stopped = ticks_to(driver, State.STOPPED)
    other.end()
    # The driver stops at once, be the name of the other node discovered yet or not.
    names = [sorted(("left_arm_ros2_control", other)) for other in ("teleoperation", UNKNOWN)]
    reasons = [f"{CONTROLLER}/joint_trajectory: found the senders {', '.join(two)}, expected one" for two in names]
    assert stopped and driver.reason in reasons


@pytest.mark.parametrize("address", ["", "arm_controller", "/arm controller", "/1", "~/arm", "/arm/"])
def test_an_invalid_address_is_refused(address):
    with pytest.raises(DeviceError, match=r"ros2_control: address: found .* expected a name such as /arm_controller"):
        Ros2ControlDevice(DeviceSettings(ROBOT, "left", "arm", address, OPTIONS))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"joint_states": "joint_states"}, "option 'joint_states': found 'joint_states'"),
        ({"names": {"joint8": "a"}}, "option 'names': found 'joint8', expected one of joint1, joint2"),
        ({"names": {"joint1": "joint2"}}, "option 'names': found joint2, joint2, .* expected each joint once"),
        ({"horizon_s": 0}, "option 'horizon_s': found 0"),
        ({"horizon": 0.1}, "option 'horizon'"),
    ],
)
def test_invalid_options_are_reported(options, expected):
    with pytest.raises(DeviceError, match=expected):
        make(**options)


# Numbers


@given(data=st.data(), count=st.integers(1, 8), others=st.integers(0, 4))
def test_any_order_and_any_others_give_each_joint_its_own_position(data, count, others):
    names = [f"j{i}" for i in range(count)]
    numbers = dict(zip(names, data.draw(st.lists(st.floats(-9, 9), min_size=count, max_size=count)), strict=True))
    order = data.draw(st.permutations(names + [f"o{i}" for i in range(others)]))
    message = messages.joint_state(order, NOW, np.array([numbers.get(name, np.nan) for name in order]))
    sample = joint_sample(message, names, NOW)
    assert sample.position.tolist() == [numbers[name] for name in names]
    assert sample.stamp_ns == NOW and not sample.velocity.any() and not sample.effort.any()


@given(gone=st.sets(st.sampled_from(ROBOT.joints), min_size=1))
def test_a_missing_joint_is_named_unless_all_are(gone):
    left = [joint for joint in ROBOT.joints if joint not in gone]
    message = messages.joint_state([*left, *OTHERS], NOW, np.zeros(len(left) + 2))
    if not left:
        assert joint_sample(message, ROBOT.joints, NOW) is None
        return
    first = next(joint for joint in ROBOT.joints if joint in gone)
    with pytest.raises(DeviceError, match=f"joint {first} is missing"):
        joint_sample(message, ROBOT.joints, NOW)


@given(off=st.integers(-3 * CLOCKS_APART_NS, 3 * CLOCKS_APART_NS))
def test_a_stamp_may_be_a_second_off_and_no_more(off):
    message = state(stamp_ns=NOW + off)
    if abs(off) <= CLOCKS_APART_NS:
        assert joint_sample(message, ROBOT.joints, NOW).stamp_ns == NOW + off
    else:
        with pytest.raises(DeviceError, match="expected within 1 s"):
            joint_sample(message, ROBOT.joints, NOW)


@given(given_velocity=st.lists(st.booleans(), min_size=7, max_size=7), step_ms=st.integers(1, 100))
def test_a_missing_velocity_is_computed_from_the_last_state(given_velocity, step_ms):
    last = joint_sample(state(stamp_ns=NOW), ROBOT.joints, NOW)
    then = NOW + step_ms * 1_000_000
    velocity = np.where(given_velocity, 0.5, np.nan)
    message = messages.joint_state(ROBOT.joints, then, HOME + 2e-3 * step_ms, velocity, np.full(7, np.nan))
    sample = joint_sample(message, ROBOT.joints, then, last)
    assert sample.velocity == pytest.approx(np.where(given_velocity, 0.5, 2.0)) and not sample.effort.any()


@pytest.mark.parametrize("what", ["velocity", "effort"])
def test_velocities_and_efforts_of_another_count_are_refused(what):
    message = state(stamp_ns=NOW)
    setattr(message, what, [0.0] * 6)
    with pytest.raises(DeviceError, match=f"{what}: found 6 numbers, expected 7"):
        joint_sample(message, ROBOT.joints, NOW)


@given(gap=st.lists(st.floats(-4, 4), min_size=7, max_size=7), horizon_s=st.floats(0.001, 1))
def test_no_joint_is_asked_for_more_speed_than_it_has_beyond_the_horizon(gap, horizon_s):
    seconds = time_to_reach(np.array(gap), ROBOT.velocity, horizon_s)
    assert seconds >= horizon_s and (np.abs(gap) / seconds <= ROBOT.velocity + 1e-9).all()
    assume(seconds > horizon_s)
    assert (np.abs(gap) / seconds).max() == pytest.approx(ROBOT.velocity.max())


# The emulator, and the driver node


@pytest.mark.parametrize(
    "message",
    [
        messages.joint_trajectory(ROBOT.joints, 0, [], np.empty((0, 7))),
        messages.joint_trajectory(ROBOT.joints[:6], 0, [0.1], np.zeros((1, 6))),
        messages.joint_trajectory((*ROBOT.joints[:6], "joint8"), 0, [0.1], np.zeros((1, 7))),
        messages.joint_trajectory(ROBOT.joints, 1, [0.1], np.zeros((1, 7))),
    ],
)
def test_the_emulator_rejects_what_the_controller_does(bench, message):
    bench.device.connect()
    bench.device._link._publisher.publish(message)
    assert until(lambda: bench.controller.rejected == 1)
    assert not bench.controller.accepted


def test_a_driver_node_drives_the_robot_and_keeps_its_own_name(bench, start_driver, tmp_path):
    write_plugin(tmp_path, "through", "from hand_drivers.devices.ros2_control import Ros2ControlDevice as Device\n")
    options = f'{{"joint_states": "{STATES}", "connect_s": 20}}'
    driver = start_driver(device="through", address=CONTROLLER, options=options).wait_until_ready()
    assert driver.position == pytest.approx(HOME)
    target = HOME + np.linspace(-0.1, 0.1, 7)
    driver.follow(target, lambda: np.abs(driver.position - target).max() < 1e-3)
    assert np.abs(bench.controller.lag.position - target).max() < 0.01
    names = driver.node.get_node_names()
    assert names.count("left_arm_driver") == 1 and names.count("left_arm_ros2_control") == 1
    bench.faults.silent = True
    driver.wait_for_status(state="lost")
    bench.faults.silent = False
    driver.wait_for_status(state="stopped", reason="the device was lost and is back")
    driver.release_and_reset()
    assert driver.signal(signal.SIGINT) == 0
    assert "Traceback" not in driver.stderr


@pytest.mark.parametrize(("side", "turned"), [("left", ["joint_0.0", "joint_4.0", "joint_8.0"]), ("right", [])])
def test_joints_that_the_makers_left_hand_turns_have_its_sign_on_the_wire(side, turned):
    hand = embodiments.load("allegro", side)
    start = hand.postures["pregrasp"]
    signs = np.where(np.isin(hand.joints, turned), -1.0, 1.0)
    controller = TrajectoryController(Setup(CONTROLLER, hand.joints, signs * start, STATES), Faults())
    device = Ros2ControlDevice(DeviceSettings(hand, side, "hand", CONTROLLER, OPTIONS))
    try:
        device.connect()
        np.testing.assert_allclose(device.read().position, start, atol=1e-9)
        target = start + 0.05
        device.write(target)
        assert until(lambda: np.abs(device.read().position - target).max() < 1e-3)
        assert until(lambda: np.abs(controller.lag.position - signs * target).max() < 1e-3)
    finally:
        device.disconnect()
        controller.close()
