"""The X-Hand: the plug-in against a substitute that responds as the vendor's library does."""

from __future__ import annotations

import dataclasses
import sys

import numpy as np
import pytest
from benches import (
    QUICK,
    assert_one_late_response_loses_nothing,
    assert_reconnected_after_silence,
    assert_stopped_until_cleared,
)
from hypothesis import given
from hypothesis import strategies as st
from vendor_fakes import XHAND_LOWER, XHAND_UPPER, HandState, XHand, library_of
from waiting import read_error

import embodiments
from hand_drivers.device import DeviceError, DeviceSettings
from hand_drivers.devices import xhand as plug_in
from hand_drivers.polled_device import BusDevice
from node_kit.testing import until

pytestmark = pytest.mark.graph

ROBOT = embodiments.load("xhand")
WIRES = ("/dev/ttyUSB0", "ethercat:enp1s0")
HERE, THERE = np.array(ROBOT.postures["open"]), np.array(ROBOT.postures["grasp"])


class Bench:
    """A hand on one of the two wires, and its device."""

    def __init__(self, address: str) -> None:
        self.address, self.hand = address, XHand(HERE)
        self.faults, self.device = self.hand.faults, self.make()

    def make(self, robot=ROBOT, side: str = "right", **options: float) -> BusDevice:
        return plug_in.make(DeviceSettings(robot, side, "hand", self.address, QUICK | options))

    def wire(self) -> plug_in.XHandWire:
        settings = plug_in.XHandOptions.model_validate(QUICK)
        return plug_in.XHandWire(self.address, "right", settings, ROBOT)


@pytest.fixture(params=WIRES)
def bench(request):
    bench = Bench(request.param)
    with library_of(bench.hand):
        yield bench
        bench.device.disconnect()


def test_fingers_follow_their_targets(bench):
    bench.device.connect()
    for target in (THERE, HERE):
        bench.device.write(target)
        assert until(lambda t=target: np.abs(bench.device.read().position - t).max() < 1e-3)


@pytest.mark.parametrize("joint", range(12))
def test_each_joint_is_the_vendor_s_of_its_number(bench, joint):
    bench.device.connect()
    target = HERE.copy()
    target[joint] += 0.1
    bench.device.write(target)
    assert until(lambda: bench.hand.commands != [] and bench.hand.joints.target[joint] != HERE[joint])
    assert np.flatnonzero(np.abs(bench.hand.joints.target - HERE) > 1e-6).tolist() == [joint]


def test_joints_are_found_by_name_whatever_their_order(bench):
    backwards = dataclasses.replace(ROBOT, joints=ROBOT.joints[::-1], lower=ROBOT.lower[::-1], upper=ROBOT.upper[::-1])
    bench.device = bench.make(backwards)
    bench.device.connect()
    assert bench.device.read().position == pytest.approx(HERE[::-1])
    bench.device.write(THERE[::-1])
    assert until(lambda: np.allclose(bench.hand.joints.target, THERE, atol=1e-6))


def test_connecting_sends_no_target_and_moves_nothing(bench):
    bench.device.connect()
    assert bench.device.read().position == pytest.approx(HERE)
    assert bench.hand.commands == [] and bench.hand.joints.position == pytest.approx(HERE)


def test_the_wire_is_opened_with_the_given_address(bench):
    bench.device.connect()
    serial = bench.address == WIRES[0]
    assert bench.hand.opened == [("RS485", "/dev/ttyUSB0", 3_000_000) if serial else ("EtherCAT", "enp1s0")]


def test_gains_and_current_limit_go_out_with_each_target(bench):
    bench.device = bench.make(kp=120, ki=2, kd=1, current=250)
    bench.device.connect()
    bench.device.write(THERE)
    assert until(lambda: bench.hand.commands != [])
    expected = [(number, 120, 2, 1, 250, 3) for number in range(12)]
    assert [sent[:6] for sent in bench.hand.commands[-1]] == expected


def test_the_only_hand_on_the_wire_is_found_without_an_id(bench):
    bench.hand.numbers = [7]
    bench.device.connect()
    assert bench.device.read().position == pytest.approx(HERE)


@pytest.mark.parametrize(("numbers", "wanted"), [([0, 1], None), ([], None), ([0, 1], 2)])
def test_an_ambiguous_or_missing_hand_is_refused(bench, numbers, wanted):
    bench.hand.numbers = numbers
    expected = "one" if wanted is None else f"number {wanted}"
    with pytest.raises(DeviceError, match=rf"found hands \[.*\], expected {expected}"):
        bench.make(id=wanted).connect()


def test_of_two_hands_the_chosen_one_is_taken(bench):
    bench.hand.numbers = [0, 1]
    bench.device = bench.make(id=1)
    bench.device.connect()
    assert read_error(bench.device) == ""


@pytest.mark.parametrize("kind", ["Right", "R", "r", "N", ""])
def test_a_hand_of_this_side_or_of_none_is_taken(bench, kind):
    bench.hand.kind = kind
    bench.device.connect()
    assert read_error(bench.device) == ""


@pytest.mark.parametrize(("kind", "side"), [("Left", "right"), ("L", "right"), ("R", "left")])
def test_a_hand_of_the_other_side_is_refused(bench, kind, side):
    bench.hand.kind = kind
    with pytest.raises(DeviceError, match=f"found a (left|right) hand, expected a {side} one"):
        bench.make(side=side).connect()


@pytest.mark.parametrize(
    ("fault", "value", "text"),
    [
        ("silent", True, "error 1501050"),
        ("corrupt", True, "expected 0 to 11"),
        ("late_s", 0.3, "a response took"),
        ("code", 1501003, "error 1501003"),
    ],
)
def test_missing_damaged_or_late_responses_are_no_measurement(bench, fault, value, text):
    bench.device.connect()
    setattr(bench.faults, fault, value)
    assert until(lambda: text in read_error(bench.device))


def test_joints_without_a_received_state_are_not_read_as_zero(bench):
    wire = bench.wire()
    wire.open()
    bench.hand.state = HandState
    with pytest.raises(DeviceError, match="incomplete response"):
        wire.exchange(None)
    wire.close()


def test_one_late_response_loses_nothing(bench):
    assert_one_late_response_loses_nothing(bench.device, ROBOT, bench.faults, 0.25)


def test_a_blocked_hand_reports_its_measured_position(bench):
    bench.device.connect()
    bench.faults.frozen = True
    bench.device.write(THERE)
    assert until(lambda: bench.hand.commands != [])
    then = bench.device.read().stamp_ns
    assert until(lambda: bench.device.read().stamp_ns > then)
    assert bench.device.read().position == pytest.approx(HERE)


@pytest.mark.parametrize(
    ("code", "text"),
    [(1501028, "error 1501028: a joint is too hot"), (0x0102, "thumb_rota_joint1: joint board 0x0102")],
)
def test_a_fault_is_reported_and_stops_until_cleared_and_reset(bench, code, text):
    assert_stopped_until_cleared(bench.device, ROBOT, bench.faults, code, text)


@pytest.mark.parametrize("code", [1501018, 1501019, 1501020, 1501035])
def test_a_tactile_sensor_or_a_firm_grasp_is_no_fault(bench, code):
    bench.device.connect()
    bench.faults.code = code
    bench.device.write(THERE)
    assert until(lambda: np.abs(bench.device.read().position - THERE).max() < 1e-3)
    assert bench.device.fault() is None


def test_a_hand_that_responds_again_is_reconnected_and_needs_a_reset(bench):
    assert_reconnected_after_silence(bench.device, ROBOT, bench.faults)


def test_connecting_to_a_silent_hand_fails_with_its_address(bench):
    bench.faults.silent = True
    with pytest.raises(DeviceError, match=f"xhand {bench.address}: found hands"):
        bench.device.connect()


def test_a_wire_that_cannot_be_opened_is_reported(bench):
    bench.faults.refuse = True
    with pytest.raises(
        DeviceError, match=f"xhand {bench.address}: cannot be opened: error 1501039: open device failed"
    ):
        bench.device.connect()
    assert bench.hand.open == 0


def test_the_vendor_s_object_refuses_what_the_compiled_one_would(bench):
    """The other tests depend on how strict this substitute is."""
    library = bench.hand.modules()["xhand_controller.xhand_control"]
    control, command = library.XHandControl(), library.HandCommand_t()
    for wrong in ("kp", "id", "tor_max"):
        with pytest.raises(TypeError):
            setattr(command.finger_command[0], wrong, 1.0)
    with pytest.raises(AttributeError):
        command.finger_command[0].target = 1
    with pytest.raises(AssertionError):
        control.send_command(0, command)
    control.open_ethercat("enp1s0")
    with pytest.raises(TypeError):
        control.read_state(0)
    assert control.send_command(0, command).error_code == 0  # all passive
    command.finger_command[3].mode = 3
    assert control.send_command(0, command).error_code == 1501030
    assert control.send_command(9, command).error_code == 1501037
    control.close_device()


@given(target=st.lists(st.floats(-10, 10), min_size=12, max_size=12).map(np.array))
def test_any_target_reaches_the_hand_within_its_range(target):
    bench = Bench(WIRES[1])
    with library_of(bench.hand):
        wire = bench.wire()
        wire.open()
        answer = wire.exchange(target)
        wire.close()
    assert answer.fault is None
    reached = bench.hand.joints.target
    assert (reached >= XHAND_LOWER - 1e-6).all() and (reached <= XHAND_UPPER + 1e-6).all()
    np.testing.assert_allclose(reached, np.clip(target, ROBOT.lower, ROBOT.upper), atol=1e-6)


@pytest.mark.parametrize("address", ["", "ttyUSB0", "192.168.1.10"])
def test_an_invalid_address_is_reported(bench, address):
    bench.address = address
    with pytest.raises(DeviceError, match=f"found '{address}', expected a serial port as /dev/ttyUSB0 or ethercat:"):
        bench.make().connect()


def test_a_missing_library_is_reported_with_its_source(monkeypatch):
    monkeypatch.setitem(sys.modules, "xhand_controller", None)
    with pytest.raises(DeviceError, match=r"xhand /dev/ttyUSB0: RobotEra's library .* install the wheel"):
        Bench(WIRES[0]).device.connect()


def test_the_joints_of_another_hand_are_refused():
    with pytest.raises(DeviceError, match=r"xhand: found joints .*, expected .*thumb_bend_joint"):
        plug_in.make(DeviceSettings(embodiments.load("inspire"), "left", "hand", WIRES[0], QUICK))
