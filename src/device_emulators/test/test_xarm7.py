"""The xArm7 and its gripper: their maker's library against an emulated control box on TCP."""

from __future__ import annotations

import itertools
import os
import socket
import time

import numpy as np
import pytest
from benches import (
    AT_ONCE_S,
    assert_each_response_is_matched,
    assert_one_late_response_loses_nothing,
    started,
    ticked_until,
)
from hypothesis import given
from hypothesis import strategies as st

import embodiments
from device_emulators import xarm
from device_emulators.faults import Faults
from device_emulators.lag import Lag
from hand_drivers.device import SLACK, DeviceError, DeviceSettings
from hand_drivers.devices import xarm_gripper, xarm_reports
from hand_drivers.devices.xarm7 import XArm7Device
from hand_drivers.status import State
from node_kit.testing import until

pytestmark = pytest.mark.graph

ROBOT = embodiments.load("xarm7")
HOME = np.array(ROBOT.postures["home"])
OPTIONS = {"answer_s": 0.1, "connect_s": 3.0}
hosts = itertools.count(os.getpid() % 200)  # the report's port is fixed: each test has an address of its own

pytest.importorskip("xarm")


@pytest.fixture(autouse=True)
def control_port(monkeypatch):
    """Port 502 is for root only, and the SDK has no parameter for it."""
    from xarm.core.config.x_config import XCONF

    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    monkeypatch.setattr(XCONF.SocketConf, "TCP_CONTROL_PORT", port)
    return port


class Bench:
    """An emulated box and its device."""

    def __init__(self, port: int) -> None:
        number = next(hosts)
        self.host = f"127.0.{1 + number // 250}.{1 + number % 250}"
        self.faults = Faults()
        self.emulator = xarm.XArmEmulator(xarm.ControlBox(self.faults, Lag(HOME, 0.02)), self.host, port)
        self.box = self.emulator.box
        self.device = XArm7Device(DeviceSettings(ROBOT, "left", "arm", self.host, OPTIONS))


@pytest.fixture
def bench(control_port):
    bench = Bench(control_port)
    yield bench
    bench.device.disconnect()
    bench.emulator.close()


def test_connecting_enables_servo_mode_and_moves_nothing(bench):
    bench.device.connect()
    assert bench.box.enabled and bench.box.ready and bench.box.mode == xarm.SERVO_MODE
    assert bench.box.targets == 0
    assert bench.device.read().position == pytest.approx(HOME, abs=1e-6)
    assert socket.getdefaulttimeout() is None


def test_a_second_driver_of_an_arm_is_refused_and_does_not_stop_it(bench):
    bench.device.connect()
    other = XArm7Device(DeviceSettings(ROBOT, "right", "arm", bench.host, OPTIONS))
    with pytest.raises(DeviceError, match=f"device xarm7 {bench.host}.*: in use by process"):
        other.connect()
    assert bench.box.ready and bench.box.mode == xarm.SERVO_MODE


def test_targets_arrive_in_the_order_of_the_joints(bench):
    bench.device.connect()
    target = HOME + np.linspace(0.01, 0.07, 7)
    bench.device.write(target)
    assert until(lambda: np.abs(bench.device.read().position - target).max() < 1e-4)
    np.testing.assert_allclose(bench.box.joints.target, target, atol=1e-6)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_non_finite_target_is_refused_and_not_sent(bench, value):
    bench.device.connect()
    with pytest.raises(DeviceError, match="expected finite numbers"):
        bench.device.write(HOME + value)
    assert bench.box.targets == 0


def test_a_blocked_arm_that_was_stopped_does_not_jump_when_freed(bench):
    bench.device.connect()
    bench.faults.frozen = True
    assert until(lambda: not bench.device.read().velocity.any())
    held = bench.device.read().position
    bench.device.write(held + np.array([0.4, -0.4, 0.05, 0, 0, 0, 0]))
    bench.device.stop()
    assert until(
        lambda: np.allclose(bench.box.joints.target, held + np.array([SLACK, -SLACK, 0.05, 0, 0, 0, 0]), atol=1e-6)
    )


def test_a_stop_before_any_target_sends_none(bench):
    bench.device.connect()
    bench.device.stop()
    assert bench.box.targets == 0


def test_an_error_of_the_box_stops_the_driver_until_a_reset_clears_it(bench):
    driver = started(bench.device, ROBOT)
    bench.faults.code = 31
    assert ticked_until(driver, lambda: driver.state is State.STOPPED and driver.at_rest)
    assert driver.reason == "error 31: collision (current)"
    targets = bench.box.targets
    for _ in range(20):
        driver.tick(time.monotonic_ns())
    assert bench.box.targets == targets
    assert driver.reset()[0] and driver.state is State.HOLDING
    driver.tick(time.monotonic_ns())
    assert bench.box.ready and bench.box.targets > targets


def test_an_error_cleared_at_the_box_needs_a_reset_which_enables_it(bench):
    driver = started(bench.device, ROBOT)
    bench.faults.code = 31
    assert ticked_until(driver, lambda: driver.state is State.STOPPED and driver.at_rest)
    bench.faults.code = 0
    for _ in range(20):
        driver.tick(time.monotonic_ns())
    assert driver.state is State.STOPPED and not bench.box.ready
    assert driver.reset()[0] and bench.box.ready


def test_a_box_stopped_by_an_operator_is_a_fault_until_a_reset(bench):
    driver = started(bench.device, ROBOT)
    bench.box.state = xarm.STOPPED
    assert ticked_until(driver, lambda: driver.state is State.STOPPED and driver.at_rest)
    assert driver.reason == "the box was stopped: not ready to move"
    bench.box.state = xarm.READY  # starting it at the box causes no motion
    targets = bench.box.targets
    for _ in range(20):
        driver.tick(time.monotonic_ns())
    assert bench.box.targets == targets
    bench.box.state = xarm.STOPPED
    assert driver.reset()[0] and bench.box.ready
    driver.tick(time.monotonic_ns())
    assert bench.box.targets > targets


MANUAL = "the box is in mode 2 (manual), expected 1 (servo)"


def test_a_box_in_manual_mode_is_taken_over_stopped_without_targets(bench):
    bench.faults.manual = True
    driver = started(bench.device, ROBOT)
    driver.tick(time.monotonic_ns())
    assert (driver.state, driver.reason) == (State.STOPPED, MANUAL)
    assert driver.reset() == (False, MANUAL) and bench.box.targets == 0
    bench.faults.manual = False
    assert driver.reset() == (True, "holding")
    assert bench.box.ready and bench.box.mode == xarm.SERVO_MODE
    driver.tick(time.monotonic_ns())
    assert bench.box.targets == 1


def test_manual_mode_in_motion_stops_the_driver_until_a_reset_leaves_it(bench):
    driver = started(bench.device, ROBOT)
    bench.faults.manual = True
    assert ticked_until(driver, lambda: driver.state is State.STOPPED and driver.at_rest)
    assert driver.reason == MANUAL
    bench.faults.manual = False  # the mode stays
    for _ in range(20):
        driver.tick(time.monotonic_ns())
    assert bench.box.mode == xarm.MANUAL_MODE and driver.state is State.STOPPED
    assert driver.reset()[0] and bench.box.mode == xarm.SERVO_MODE


def test_another_mode_set_at_the_box_stops_the_driver_until_a_reset(bench):
    driver = started(bench.device, ROBOT)
    bench.box.mode = xarm.POSITION_MODE
    assert ticked_until(driver, lambda: driver.state is State.STOPPED)
    assert driver.reason == "the box is in mode 0 (position), expected 1 (servo)"
    assert driver.reset()[0] and bench.box.mode == xarm.SERVO_MODE


def test_without_reports_the_box_cannot_be_connected(bench):
    bench.emulator.reporter.close()
    with pytest.raises(DeviceError, match=r"no reports, which tell its mode: port 30003: .*, port 30001: "):
        bench.device.connect()


def test_a_box_that_stops_reporting_its_mode_is_a_miss(bench, monkeypatch):
    bench.device.connect()
    monkeypatch.setattr(xarm_reports, "SILENT_S", 0.05)
    monkeypatch.setattr(bench.box, "report", lambda: b"")
    with pytest.raises(DeviceError, match=r"no report on port 30003 for 0\.05 s"):
        until(lambda: bench.device.read() is None)


def test_a_box_with_an_error_is_taken_over_stopped_and_cleared_by_a_reset(bench):
    bench.faults.code = 31
    driver = started(bench.device, ROBOT)
    driver.tick(time.monotonic_ns())
    assert (driver.state, driver.reason) == (State.STOPPED, "error 31: collision (current)")
    assert bench.box.targets == 0 and not bench.box.enabled
    assert driver.reset()[0] and bench.box.ready


def test_every_second_reading_is_a_request_and_each_reports_a_silent_box(bench):
    bench.device.connect()
    first = bench.device.read()
    assert bench.device.read() is first
    assert bench.device.read().stamp_ns > first.stamp_ns
    bench.faults.silent = True
    bench.device.read()
    for _ in range(3):
        with pytest.raises(DeviceError, match="no response in time"):
            bench.device.read()


def test_one_late_response_loses_nothing(bench):
    assert_one_late_response_loses_nothing(bench.device, ROBOT, bench.faults, 0.15)


def test_a_call_that_takes_as_long_as_a_lost_packet_is_a_miss_and_no_loss(bench):
    driver = started(bench.device, ROBOT, device_timeout_s=2.0)
    bench.faults.late_once_s = 0.19
    assert ticked_until(driver, lambda: driver.miss)
    assert "no response in time" in driver.miss
    assert driver.counts.lost == 0 and driver.state is State.HOLDING


@pytest.mark.skipif(not hasattr(socket, "TCP_QUICKACK"), reason="Linux's")
def test_after_a_missing_response_the_late_ones_are_acknowledged_at_once(bench):
    bench.device.connect()

    def acknowledges_at_once():
        return bench.device._arm.line.getsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK)

    assert until(lambda: bench.device.read() and not acknowledges_at_once())
    bench.faults.silent = True
    with pytest.raises(DeviceError, match="no response in time"):
        until(lambda: bench.device.read() is None)
    assert acknowledges_at_once()


def test_a_reset_after_a_safeguard_starts_where_the_arm_was_pushed_to(bench):
    driver = started(bench.device, ROBOT)
    bench.faults.safeguard = True
    assert ticked_until(driver, lambda: driver.state is State.STOPPED and driver.at_rest)
    assert driver.reason == "the box is in mode 0 (position), expected 1 (servo)"
    assert not driver.reset()[0]
    bench.faults.pushed = 0.3
    assert ticked_until(driver, lambda: bench.box.joints.position[-1] - HOME[-1] > 0.29)
    bench.faults.safeguard = False
    assert driver.reset() == (True, "holding")
    assert bench.box.ready and bench.box.mode == xarm.SERVO_MODE
    driver.tick(time.monotonic_ns())
    assert bench.box.joints.target[-1] - HOME[-1] > 0.28


def test_reading_a_closed_connection_is_an_error(bench):
    bench.device.connect()
    bench.device.read()
    bench.device.disconnect()
    with pytest.raises(DeviceError, match="not connected"):
        bench.device.read()


def test_a_pressed_emergency_stop_cannot_be_cleared(bench):
    driver = started(bench.device, ROBOT)
    bench.faults.code = 0x100 + 2  # stays when cleared
    bench.box.answer = lambda function, payload, answer=bench.box.answer: (
        b"\x02\0" if function == 15 else answer(function, payload)
    )
    assert ticked_until(driver, lambda: driver.state is State.STOPPED and driver.at_rest)
    done, why = driver.reset()
    assert not done and "emergency stop of the control box" in why


def test_a_silent_box_is_a_miss_within_the_answer_time_and_lost_soon_after(bench):
    driver = started(bench.device, ROBOT, device_timeout_s=0.05)
    bench.faults.silent = True
    assert ticked_until(driver, lambda: driver.state is State.LOST)
    bench.faults.silent = False
    assert until(driver.reconnect)
    assert driver.state is State.STOPPED and driver.reset()[0]


def test_a_box_that_disconnects_is_lost_and_reconnects_stopped(bench):
    driver = started(bench.device, ROBOT, device_timeout_s=0.05)
    bench.faults.refuse = True
    assert ticked_until(driver, lambda: driver.state is State.LOST)
    bench.faults.refuse = False
    assert until(driver.reconnect)
    assert driver.state is State.STOPPED


def test_connecting_to_a_host_that_never_responds_fails(bench):
    bench.faults.silent = True
    bench.device = XArm7Device(DeviceSettings(ROBOT, "left", "arm", bench.host, OPTIONS | {"connect_s": 0.5}))
    with pytest.raises(DeviceError, match=f"xarm7 {bench.host}: "):
        bench.device.connect()


def test_a_missing_box_is_reported_with_its_address(control_port):
    device = XArm7Device(DeviceSettings(ROBOT, "left", "arm", "127.0.0.1", OPTIONS))
    with pytest.raises(DeviceError, match=r"xarm7 127.0.0.1"):
        device.connect()


@pytest.fixture
def gripper(bench):
    robot = embodiments.load("xarm_gripper")
    options = {"answer_s": 0.1, "max_age_s": 0.3, "connect_s": 3.0}
    device = xarm_gripper.make(DeviceSettings(robot, "left", "hand", bench.host, options))
    yield device
    device.disconnect()


def test_a_gripper_opens_and_closes_in_metres_of_one_finger(bench, gripper):
    gripper.connect()
    assert gripper.read().position == pytest.approx([0.0425], abs=1e-4)
    gripper.write(np.array([0.02]))
    assert until(lambda: abs(gripper.read().position[0] - 0.02) < 2e-4)
    assert bench.box.gripper.finger.target == pytest.approx([400])


def test_a_late_response_of_a_gripper_is_not_that_to_the_next_request(bench, control_port):
    bench.box.gripper.finger = Lag(np.array([850.0]), AT_ONCE_S)
    options = xarm_gripper.XArmGripperOptions(port=control_port, answer_s=0.3)
    wire = xarm_gripper.XArmGripperWire(bench.host, options)
    assert_each_response_is_matched(wire, bench.faults, (np.array([0.01]), np.array([0.03])))


def test_a_gripper_and_its_arm_do_not_wait_for_each_other(bench, gripper):
    bench.device.connect()
    gripper.connect()
    target = HOME + 0.02
    bench.device.write(target)
    gripper.write(np.array([0.01]))
    assert until(lambda: abs(gripper.read().position[0] - 0.01) < 2e-4)
    assert until(lambda: np.abs(bench.device.read().position - target).max() < 1e-3)


def test_a_late_response_of_a_gripper_does_not_delay_its_arm_s(bench, gripper):
    bench.device.connect()
    gripper.connect()
    bench.box.gripper.faults.late_once_s = 30.0
    assert until(lambda: not bench.box.gripper.faults.late_once_s)
    then = bench.device.read().stamp_ns
    assert until(lambda: bench.device.read().stamp_ns > then)
    assert bench.faults.late_once_s == 0.0


def test_a_gripper_s_error_stops_it_until_a_reset(bench, gripper):
    robot = embodiments.load("xarm_gripper")
    driver = started(gripper, robot)
    bench.box.gripper.faults.code = 11
    assert ticked_until(driver, lambda: driver.state is State.STOPPED and driver.at_rest)
    assert driver.reason == "gripper error 11"
    assert until(lambda: driver.reset()[0]) and driver.state is State.HOLDING
    assert bench.box.gripper.faults.code == 0


def test_a_blocked_gripper_reports_its_measured_position(bench, gripper):
    gripper.connect()
    bench.box.gripper.faults.frozen = True
    gripper.write(np.array([0.01]))
    assert until(lambda: bench.box.gripper.finger.target[0] == pytest.approx(200))
    assert gripper.read().position == pytest.approx([0.0425], abs=1e-4) and gripper.fault() is None


def test_a_silent_gripper_is_lost_and_its_box_stops_the_arm(bench, gripper):
    bench.device.connect()
    gripper.connect()
    driver = started(gripper, embodiments.load("xarm_gripper"), device_timeout_s=0.05)
    bench.box.gripper.faults.silent = True
    assert ticked_until(driver, lambda: driver.state is State.LOST)
    assert "no position" in driver.reason
    assert until(lambda: bench.device.read() and bench.device.fault() == "error 19: no response of the end module")
    bench.box.gripper.faults.silent = False
    bench.device.clear_fault()
    assert until(driver.reconnect)
    assert driver.state is State.STOPPED and driver.reset()[0] and bench.device.fault() is None


@given(data=st.lists(st.binary(max_size=60), max_size=20))
def test_no_bytes_move_a_box_that_was_not_enabled(data):
    box = xarm.ControlBox(Faults(), Lag(HOME))
    protocol = xarm.ControlProtocol(box)
    for part in data:
        protocol.receive(part)
    assert np.isfinite(box.position()).all()
    assert box.targets == 0 or box.enabled
