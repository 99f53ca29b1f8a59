"""The Robotiq gripper: a Modbus library against an emulated gripper on a pseudo terminal and behind a TCP port."""

from __future__ import annotations

import numpy as np
import pytest
from benches import (
    AT_ONCE_S,
    PATIENT,
    QUICK,
    WireBench,
    assert_each_response_is_matched,
    assert_one_late_response_loses_nothing,
    assert_reconnected_after_silence,
    assert_refused_by_its_other_name,
    assert_stopped_until_cleared,
    started,
    ticked_until,
)
from hypothesis import given
from hypothesis import strategies as st
from waiting import read_error

import embodiments
from device_emulators import robotiq
from device_emulators.faults import Faults
from device_emulators.lag import Lag
from hand_drivers.device import DeviceError, DeviceSettings
from hand_drivers.devices import robotiq as plug_in
from hand_drivers.status import State
from node_kit.testing import until

pytestmark = pytest.mark.graph

ROBOT = embodiments.load("robotiq_2f85")
OPEN, CLOSED = float(ROBOT.upper[0]), float(ROBOT.lower[0])

pytest.importorskip("pymodbus")


class Bench(WireBench):
    """An emulated gripper on one of the two wires, and its device."""

    def __init__(self, wire: str, active: bool = True, finger: Lag | None = None) -> None:
        faults = Faults()
        self.gripper = robotiq.RobotiqGripper(faults, active, finger)
        super().__init__(plug_in.make, ROBOT, lambda: robotiq.RtuProtocol(self.gripper), faults, tcp=wire == "tcp")


@pytest.fixture(params=["serial", "tcp"])
def bench(request):
    bench = Bench(request.param)
    yield bench
    bench.close()


@pytest.fixture
def inactive():
    bench = Bench("tcp", active=False)
    yield bench
    bench.close()


def test_a_gripper_opens_and_closes_in_metres_of_one_finger(bench):
    bench.device.connect()
    assert bench.device.read().position == pytest.approx([OPEN])
    for target in (CLOSED, 0.02, OPEN):
        bench.device.write(np.array([target]))
        assert until(lambda t=target: abs(bench.device.read().position[0] - t) < 2e-4)


@pytest.mark.parametrize("bench", ["tcp"], indirect=True)
def test_a_second_driver_that_names_the_host_is_refused(bench):
    assert_refused_by_its_other_name(bench, plug_in.make, ROBOT)


def test_connecting_moves_nothing(bench):
    before = bench.gripper.written
    bench.device.connect()
    assert bench.gripper.written == before


def test_speed_and_force_go_out_with_each_target(bench):
    bench.device = bench.make(speed=80, force=40)
    bench.device.connect()
    bench.device.write(np.array([CLOSED]))
    assert until(lambda: bench.gripper.written == [0x0900, robotiq.CLOSED, 80 << 8 | 40])


def test_an_inactive_gripper_is_not_activated_without_a_request(inactive):
    with pytest.raises(DeviceError, match="not activated; option 'activate'"):
        inactive.device.connect()
    assert inactive.gripper.activations == 0


def test_with_the_option_a_reset_activates_the_gripper(inactive):
    driver = started(inactive.make(activate=True), ROBOT)
    assert ticked_until(driver, lambda: driver.state is State.STOPPED and driver.at_rest)
    assert driver.reason == "not activated" and inactive.gripper.activations == 0
    assert driver.reset() == (False, "activating: the fingers open and close")
    assert ticked_until(driver, lambda: driver.reset()[0])
    assert inactive.gripper.activations == 1 and driver.counts.lost == 0
    driver.end()


def test_a_gripper_that_was_without_power_is_not_activated_by_a_target(inactive):
    inactive.gripper.write([0x0900, robotiq.OPENED, 0])
    assert until(lambda: inactive.gripper.read()[0] >> 12 == 3)
    inactive.device.connect()
    inactive.faults.silent = True
    assert until(lambda: read_error(inactive.device))
    inactive.gripper.write([0, 0, 0])
    activations = inactive.gripper.activations
    inactive.faults.silent = False
    assert until(lambda: not read_error(inactive.device))
    for _ in range(20):
        inactive.device.write(np.array([CLOSED]))
        assert until(lambda: inactive.device._connection._target is None)
    assert inactive.gripper.activations == activations and inactive.device.fault() == "not activated"


def test_a_target_does_not_activate_what_another_program_deactivated(bench):
    driver = started(bench.device, ROBOT)
    for _ in range(10):
        driver.device.write(np.array([0.02]))
    bench.gripper.write([0, 0, 0])  # the other program; targets go on
    for _ in range(10):
        driver.device.write(np.array([CLOSED]))
        assert until(lambda: bench.device._connection._target is None)
    assert ticked_until(driver, lambda: driver.state is State.STOPPED and driver.at_rest)
    assert driver.reason == "not activated" and driver.reset() == (False, "not activated")
    assert bench.gripper.activations == 0
    driver.end()


def test_a_gripper_stopped_by_another_program_moves_only_after_a_reset(bench):
    driver = started(bench.device, ROBOT)
    bench.gripper.write([0x0100, robotiq.OPENED, 0])
    assert ticked_until(driver, lambda: driver.state is State.STOPPED and driver.at_rest)
    assert driver.reason == "stopped by another program: the go bit is cleared"
    assert bench.gripper.written[0] == 0x0100
    assert driver.reset()[0] and ticked_until(driver, lambda: bench.gripper.written[0] == 0x0900)
    assert bench.gripper.activations == 0
    driver.end()


def test_the_first_target_starts_an_active_gripper(bench):
    bench.gripper.write([0x0100, robotiq.OPENED, 0])
    bench.device.connect()
    assert bench.gripper.written[0] == 0x0100
    bench.device.write(np.array([0.02]))
    assert until(lambda: abs(bench.device.read().position[0] - 0.02) < 2e-4)


@pytest.mark.parametrize("wire", ["serial", "tcp"])
def test_a_late_response_is_not_taken_for_that_to_the_next_request(wire):
    bench = Bench(wire, finger=Lag(np.array([float(robotiq.OPENED)]), AT_ONCE_S))
    try:
        assert_each_response_is_matched(bench.wire(), bench.faults, (np.array([0.01]), np.array([0.03])))
    finally:
        bench.close()


def test_one_late_response_loses_nothing(bench):
    bench.device = bench.make(**PATIENT)
    assert_one_late_response_loses_nothing(bench.device, ROBOT, bench.faults, 0.45)


def test_a_fault_that_only_activation_clears_is_cleared_by_it(bench):
    driver = started(bench.make(activate=True), ROBOT)
    bench.faults.code = 0x0E
    assert ticked_until(driver, lambda: driver.state is State.STOPPED and driver.at_rest)
    assert ticked_until(driver, lambda: driver.reset()[0])
    assert bench.gripper.activations == 1 and driver.counts.lost == 0
    driver.end()


@pytest.mark.parametrize(
    ("bench", "fault"),
    [(wire, fault) for wire in ("serial", "tcp") for fault in ("silent", "cut", "corrupt")] + [("tcp", "refuse")],
    indirect=["bench"],
)
def test_missing_or_damaged_responses_are_no_measurement(bench, fault):
    bench.device.connect()
    setattr(bench.faults, fault, True)
    assert until(lambda: read_error(bench.device))


def test_a_fault_is_reported_and_stops_until_cleared_and_reset(bench):
    assert_stopped_until_cleared(bench.device, ROBOT, bench.faults, 0x0E, "fault 0x0e: overcurrent")


def test_a_transient_fault_code_is_no_fault(bench):
    bench.device.connect()
    bench.faults.code = 0x05
    before = bench.device.read().stamp_ns
    assert until(lambda: bench.device.read().stamp_ns > before + 50_000_000)
    assert bench.device.fault() is None


def test_a_gripper_that_responds_again_is_reconnected_and_needs_a_reset(bench):
    assert_reconnected_after_silence(bench.device, ROBOT, bench.faults)


@pytest.mark.parametrize("address", ["/dev/ttyNONE", "127.0.0.1:1", "gripper:x", ":"])
def test_a_missing_gripper_is_reported_with_its_address(address):
    device = plug_in.make(DeviceSettings(ROBOT, "left", "hand", address, QUICK))
    with pytest.raises(DeviceError, match=f"robotiq {address}: "):
        device.connect()


def test_the_joints_of_another_hand_are_refused():
    with pytest.raises(DeviceError, match="found 6 joints, expected 1"):
        plug_in.make(DeviceSettings(embodiments.load("inspire"), "left", "hand", "/dev/ttyUSB0", QUICK))


@given(data=st.lists(st.binary(max_size=60), max_size=20))
def test_after_any_bytes_the_gripper_is_within_its_range(data):
    gripper = robotiq.RobotiqGripper(Faults())
    protocol = robotiq.RtuProtocol(gripper)
    for part in data:
        protocol.receive(part)
    assert robotiq.OPENED <= gripper.finger.target[0] <= robotiq.CLOSED


def test_the_check_is_that_of_the_manual_s_example():
    """Activation request of Robotiq's manual: 09 10 03 E8 00 03 06 00 00 00 00 00 00 73 30."""
    frame = bytes.fromhex("0910 03e8 0003 06 0000 0000 0000")
    assert robotiq.crc(frame) == bytes.fromhex("7330")
    assert robotiq.RtuProtocol(robotiq.RobotiqGripper(Faults())).receive(frame + robotiq.crc(frame)) != b""
