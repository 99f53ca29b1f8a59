"""The DexH13: the plug-in against a substitute that responds as the vendor's library does."""

from __future__ import annotations

import dataclasses
import sys

import numpy as np
import pytest
from benches import (
    QUICK,
    assert_one_late_response_loses_nothing,
    assert_reconnected_after_silence,
    started,
    ticked_until,
)
from hypothesis import given
from hypothesis import strategies as st
from vendor_fakes import DEXH13_LOWER, DEXH13_UPPER, ControlMode, DexH13, library_of
from waiting import read_error

import embodiments
from hand_drivers.device import DeviceError, DeviceSettings
from hand_drivers.devices import dexh13 as plug_in
from hand_drivers.polled_device import BusDevice
from hand_drivers.status import State
from node_kit.testing import until

pytestmark = pytest.mark.graph

ROBOT = embodiments.load("dexh13")
PORT = "/dev/ttyUSB0"
HERE, THERE = np.array(ROBOT.postures["pregrasp"]), np.array(ROBOT.postures["grasp"])
OVER_TEMPERATURE = 6


class Bench:
    """A hand and its device."""

    def __init__(self) -> None:
        self.hand = DexH13(HERE)
        self.faults, self.device = self.hand.faults, self.make()

    def make(self, robot=ROBOT, side: str = "right", address: str = PORT, **options: float) -> BusDevice:
        return plug_in.make(DeviceSettings(robot, side, "hand", address, QUICK | options))

    def wire(self) -> plug_in.DexH13Wire:
        return plug_in.DexH13Wire(PORT, "right", plug_in.DexH13Options.model_validate(QUICK), ROBOT)


@pytest.fixture
def bench():
    bench = Bench()
    with library_of(bench.hand):
        yield bench
        bench.device.disconnect()


def test_fingers_follow_their_targets(bench):
    bench.device.connect()
    for target in (THERE, HERE):
        bench.device.write(target)
        assert until(lambda t=target: np.abs(bench.device.read().position - t).max() < 1e-3)


@pytest.mark.parametrize("joint", range(16))
def test_each_joint_is_the_vendor_s_of_its_number(bench, joint):
    """index, middle, ring, thumb; four joints each, the swing first."""
    bench.device.connect()
    target = HERE.copy()
    target[joint] += 0.02
    bench.device.write(target)
    assert until(lambda: bench.hand.target[joint] != HERE[joint])
    assert np.flatnonzero(np.abs(bench.hand.target - HERE) > 1e-6).tolist() == [joint]


def test_joints_are_found_by_name_whatever_their_order(bench):
    backwards = dataclasses.replace(ROBOT, joints=ROBOT.joints[::-1], lower=ROBOT.lower[::-1], upper=ROBOT.upper[::-1])
    bench.device = bench.make(backwards)
    bench.device.connect()
    assert bench.device.read().position == pytest.approx(HERE[::-1])
    bench.device.write(THERE[::-1])
    assert until(lambda: np.allclose(bench.hand.target, THERE))


def test_connecting_enables_the_hand_without_motion(bench):
    """Enabled motors go to the target that they had last, here zero, unless they get another before."""
    bench.device.connect()
    assert bench.hand.enabled and bench.hand.mode is ControlMode.POSITION_CONTROL_MODE
    assert bench.hand.target == pytest.approx(HERE)
    then = bench.device.read().stamp_ns
    assert until(lambda: bench.device.read().stamp_ns > then + 100_000_000)
    assert bench.hand.position == pytest.approx(HERE) and bench.hand.zeroings == 0


def test_a_hand_that_takes_no_target_before_it_is_enabled_gets_it_next(bench):
    bench.hand.takes_targets_while_disabled = False
    bench.device.connect()
    assert bench.hand.target == pytest.approx(HERE)


def test_a_hand_that_is_enabled_is_taken_over_as_it_is(bench):
    bench.hand.enabled, bench.hand.mode, bench.hand.target = True, ControlMode.POSITION_CONTROL_MODE, HERE
    bench.device = bench.make(initialise=True)
    bench.device.connect()
    assert (bench.hand.enablings, bench.hand.zeroings, bench.hand.targets) == (0, 0, [])


def test_a_hand_in_another_mode_is_taken_to_position_control(bench):
    bench.hand.enabled, bench.hand.mode = True, ControlMode.SPEED_CONTROL_MODE
    bench.device.connect()
    bench.device.write(THERE)
    assert until(lambda: np.abs(bench.device.read().position - THERE).max() < 1e-3)


def test_after_power_up_the_motors_do_not_move_without_a_request(bench):
    bench.hand.zeroed = False
    with pytest.raises(DeviceError, match=f"dexh13 {PORT}: the motors cannot be enabled; .* option 'initialise'"):
        bench.device.connect()
    assert bench.hand.zeroings == 0 and bench.hand.position == pytest.approx(HERE)


def test_with_the_option_the_motors_find_their_zero_once(bench):
    bench.hand.zeroed = False
    bench.device = bench.make(initialise=True)
    bench.device.connect()
    bench.device.connect()
    assert (bench.hand.zeroings, bench.hand.enablings) == (1, 1)
    assert bench.device.read().position == pytest.approx(np.zeros(16))


def test_the_wire_is_opened_without_the_camera(bench):
    bench.device.connect()
    assert bench.hand.ports == [(PORT, "none")]


@pytest.mark.parametrize(("kind", "side"), [(1, "right"), (2, "left")])
def test_a_hand_of_the_other_side_is_refused_and_not_enabled(bench, kind, side):
    bench.hand.kind = kind
    with pytest.raises(DeviceError, match=f"found a (left|right) hand, expected a {side} one"):
        bench.make(side=side).connect()
    assert not bench.hand.enabled


def test_a_left_hand_is_taken_on_the_left(bench):
    bench.hand.kind = 1
    bench.device = bench.make(side="left")
    bench.device.connect()
    assert read_error(bench.device) == ""


@pytest.mark.parametrize(
    ("fault", "value", "text"),
    [
        ("silent", True, "expected 16 finite numbers"),
        ("cut", True, "expected 16 finite numbers"),
        ("late_s", 0.3, "a response took"),
    ],
)
def test_missing_damaged_or_late_responses_are_no_measurement(bench, fault, value, text):
    bench.device.connect()
    setattr(bench.faults, fault, value)
    assert until(lambda: text in read_error(bench.device))


def test_one_late_response_loses_nothing(bench):
    assert_one_late_response_loses_nothing(bench.device, ROBOT, bench.faults, 0.25)


def test_a_blocked_hand_reports_its_measured_position(bench):
    bench.device.connect()
    bench.faults.frozen = True
    bench.device.write(THERE)
    assert until(lambda: np.allclose(bench.hand.target, THERE))
    then = bench.device.read().stamp_ns
    assert until(lambda: bench.device.read().stamp_ns > then)
    assert bench.device.read().position == pytest.approx(HERE)


def test_targets_that_are_refused_without_a_fault_are_no_measurement(bench):
    bench.device.connect()
    bench.hand.enabled = bench.hand.takes_targets_while_disabled = False
    bench.device.write(THERE)
    assert until(lambda: "targets are refused" in read_error(bench.device))


def test_a_fault_is_reported_and_stops_until_cleared_and_reset(bench):
    driver = started(bench.device, ROBOT)
    bench.hand.clearable, bench.faults.code = False, OVER_TEMPERATURE
    assert ticked_until(driver, lambda: driver.state is State.STOPPED and driver.at_rest)
    assert driver.reason == "index motor 2: over temperature" and not driver.reset()[0]
    bench.hand.clearable = True
    assert until(lambda: driver.reset()[0]) and driver.state is State.HOLDING
    assert bench.hand.enabled and np.abs(bench.hand.position - HERE).max() < 1e-3


def test_a_refused_target_reports_its_fault_in_the_same_exchange(bench):
    wire = bench.wire()
    wire.open()
    assert wire.exchange(None).fault is None
    bench.faults.code = OVER_TEMPERATURE
    assert wire.exchange(THERE).fault == "index motor 2: over temperature"
    wire.close()


def test_a_hand_with_a_fault_connects_unenabled_and_is_enabled_by_a_reset(bench):
    bench.faults.code = OVER_TEMPERATURE
    driver = started(bench.device, ROBOT)
    assert ticked_until(driver, lambda: driver.state is State.STOPPED)
    assert bench.hand.enablings == 0
    assert until(lambda: driver.reset()[0]) and bench.hand.enabled


def test_a_hand_that_responds_again_is_reconnected_and_needs_a_reset(bench):
    assert_reconnected_after_silence(bench.device, ROBOT, bench.faults)


def test_connecting_to_a_silent_hand_fails_with_its_address(bench):
    bench.faults.silent = True
    with pytest.raises(DeviceError, match=f"dexh13 {PORT}: no response of a hand"):
        bench.device.connect()


def test_a_port_that_cannot_be_opened_is_reported(bench):
    bench.faults.refuse = True
    with pytest.raises(DeviceError, match=f"dexh13 {PORT}: open serial port failed"):
        bench.device.connect()


def test_the_vendor_s_object_refuses_what_the_compiled_one_would(bench):
    """The other tests depend on how strict this substitute is."""
    control = bench.hand.modules()["pxdex.dh13"].DexH13Control()
    with pytest.raises(AssertionError):
        control.enableMotor()
    with pytest.raises(TypeError):
        control.activeHandy(PORT)
    control.activeHandy(PORT, "none")
    bench.hand.takes_targets_while_disabled = False
    assert control.setJointPositionsRadian([0.0] * 16) == 0  # not enabled
    assert control.setMotorControlMode(ControlMode.POSITION_CONTROL_MODE) and control.enableMotor()
    assert not control.setMotorControlMode(ControlMode.SPEED_CONTROL_MODE)  # enabled
    for wrong in (np.zeros(16), [np.float64(0)] * 16):
        with pytest.raises(TypeError):
            control.setJointPositionsRadian(wrong)
    for wrong in ([0.0] * 15, [0.4] * 16, [float("nan")] * 16):
        assert control.setJointPositionsRadian(wrong) == 0
    assert control.setJointPositionsRadian([0.0] * 16) == 1
    control.disconnectHandy()


@given(target=st.lists(st.floats(-10, 10), min_size=16, max_size=16).map(np.array))
def test_any_target_reaches_the_hand_within_its_range(target):
    bench = Bench()
    with library_of(bench.hand):
        wire = bench.wire()
        wire.open()
        answer = wire.exchange(target)
        wire.close()
    assert answer.fault is None
    np.testing.assert_allclose(bench.hand.target, np.clip(target, DEXH13_LOWER, DEXH13_UPPER))


@pytest.mark.parametrize("address", ["", "ttyUSB0", "ethercat:enp1s0"])
def test_an_invalid_address_is_reported(bench, address):
    with pytest.raises(DeviceError, match=f"found '{address}', expected a serial port as /dev/ttyUSB0"):
        bench.make(address=address).connect()


def test_a_missing_library_is_reported_with_its_source(monkeypatch):
    monkeypatch.setitem(sys.modules, "pxdex", None)
    with pytest.raises(DeviceError, match=f"dexh13 {PORT}: Paxini's library .* install DexHandSDK"):
        Bench().device.connect()


def test_the_joints_of_another_hand_are_refused():
    with pytest.raises(DeviceError, match=r"dexh13: found joints .*, expected .*index_joint_0"):
        plug_in.make(DeviceSettings(embodiments.load("inspire"), "left", "hand", PORT, QUICK))
