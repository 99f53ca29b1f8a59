"""Inspire hands: the vendor's libraries against an emulated hand on a pseudo terminal and on Modbus TCP."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import time

import numpy as np
import pytest
from benches import (
    AT_ONCE_S,
    PATIENT,
    QUICK,
    WireBench,
    assert_each_response_is_matched,
    assert_one_late_response_loses_nothing,
    assert_refused_by_its_other_name,
    started,
    ticked_until,
)
from hypothesis import given
from hypothesis import strategies as st
from waiting import read_error

import embodiments
from device_emulators import inspire
from device_emulators.faults import Faults
from device_emulators.lag import Lag
from hand_drivers.device import DeviceError, DeviceSettings
from hand_drivers.devices import inspire as plug_in
from hand_drivers.status import State
from node_kit.testing import until

pytestmark = pytest.mark.graph

ROBOT = embodiments.load("inspire")


class Bench(WireBench):
    """An emulated hand on one of the two wires, and its device."""

    def __init__(self, wire: str, faults: Faults | None = None, fingers: Lag | None = None) -> None:
        faults = faults or Faults()
        self.hand = inspire.InspireHand(faults, fingers)
        protocol = inspire.SerialProtocol if wire == "serial" else inspire.ModbusProtocol
        super().__init__(plug_in.make, ROBOT, lambda: protocol(self.hand), faults, tcp=wire == "modbus")


@pytest.fixture(params=["serial", "modbus"])
def bench(request):
    bench = Bench(request.param)
    yield bench
    bench.close()


def test_an_open_hand_reads_as_open_and_a_target_arrives_finger_by_finger(bench):
    bench.device.connect()
    assert bench.device.read().position == pytest.approx(ROBOT.lower, abs=1e-9)
    target = ROBOT.lower + np.array([0.9, 0.1, 0.2, 0.3, 0.4, 0.5]) * (ROBOT.upper - ROBOT.lower)
    bench.device.write(target)
    assert until(lambda: np.abs(bench.device.read().position - target).max() < 2e-3)
    # little finger first, 1000 is open; the embodiment's first joint is the thumb's rotation, the wire's last
    assert bench.hand.written(inspire.ANGLE_SET) == [500, 600, 700, 800, 900, 100]


def test_a_second_driver_of_a_hand_is_refused_until_the_first_leaves(bench):
    bench.device.connect()
    other = bench.make()
    with pytest.raises(DeviceError, match=f"device inspire {bench.address}: in use by process"):
        other.connect()
    assert bench.device.read().position == pytest.approx(ROBOT.lower, abs=1e-9)
    bench.device.disconnect()
    other.connect()
    other.disconnect()


@pytest.mark.parametrize("bench", ["modbus"], indirect=True)
def test_a_second_driver_that_names_the_host_is_refused(bench):
    assert_refused_by_its_other_name(bench, plug_in.make, ROBOT)


def test_every_target_comes_back_within_half_a_unit_of_the_wire(bench):
    bench.device.connect()
    for share in np.linspace(0, 1, 7):
        target = ROBOT.lower + share * (ROBOT.upper - ROBOT.lower)
        bench.device.write(target)
        assert until(
            lambda t=target: np.abs((bench.device.read().position - t) / (ROBOT.upper - ROBOT.lower)).max() < 1e-3
        )


def test_speed_and_force_are_set_before_anything_moves(bench):
    bench.device = bench.make(speed=400, force=200)
    bench.device.connect()
    assert bench.hand.written(inspire.SPEED_SET) == [400] * 6
    assert bench.hand.written(inspire.FORCE_SET) == [200] * 6
    assert bench.hand.written(inspire.ANGLE_SET) == [65535] * 6


def test_a_connection_that_fails_leaves_no_file_open():
    bench = Bench("serial")
    bench.hand.write = lambda address, data: False  # it can be read, and takes no settings
    before = len(os.listdir("/proc/self/fd"))
    gc.disable()  # whose collections would hide it
    try:
        for _ in range(3):
            with pytest.raises(DeviceError):
                bench.device.connect()
        assert until(lambda: len(os.listdir("/proc/self/fd")) <= before)
    finally:
        gc.enable()
        bench.close()


LOOSE, TIGHT = (ROBOT.lower + share * (ROBOT.upper - ROBOT.lower) for share in (0.2, 0.7))


@pytest.mark.parametrize("wire", ["serial", "modbus"])
def test_a_late_response_is_not_taken_for_that_to_the_next_request(wire):
    bench = Bench(wire, fingers=Lag(np.full(6, 1000.0), AT_ONCE_S))
    try:
        assert_each_response_is_matched(bench.wire(), bench.faults, (LOOSE, TIGHT))
    finally:
        bench.close()


def test_one_late_response_loses_nothing(bench):
    bench.device = bench.make(**PATIENT)
    assert_one_late_response_loses_nothing(bench.device, ROBOT, bench.faults, 0.45)


@pytest.mark.parametrize("register", [inspire.SPEED_SET, inspire.FORCE_SET])
def test_a_hand_that_acknowledges_a_setting_and_keeps_another_is_refused(bench, register):
    bench.hand.write = lambda address, data, write=bench.hand.write: address == register or write(address, data)
    with pytest.raises(DeviceError, match=r"found \[0, 0, 0, 0, 0, 0\] in the hand, which acknowledged"):
        bench.device.connect()


@pytest.mark.parametrize("offset", [-1, 1])
def test_a_hand_whose_transaction_ids_are_off_by_one_is_understood(monkeypatch, offset):
    def receive(self, data: bytes, receive=inspire.ModbusProtocol.receive) -> bytes:
        answer = receive(self, data)
        return ((int.from_bytes(answer[:2], "big") + offset) % 65536).to_bytes(2, "big") + answer[2:]

    monkeypatch.setattr(inspire.ModbusProtocol, "receive", receive)
    bench = Bench("modbus", fingers=Lag(np.full(6, 1000.0), AT_ONCE_S))
    try:
        assert_each_response_is_matched(bench.wire(), bench.faults, (LOOSE, TIGHT))
    finally:
        bench.close()


class FirstResponsesMissing(Faults):
    """The first three responses are lost; the library for the serial line retries."""

    missing = 3

    def applied(self, answer: bytes) -> bytes:
        if answer and self.missing:
            self.missing -= 1
            return b""
        return super().applied(answer)


@pytest.mark.parametrize("wire", ["serial", "modbus"])
def test_a_hand_whose_first_responses_are_lost_is_connected_and_set_up(wire):
    bench = Bench(wire, FirstResponsesMissing())
    bench.device = bench.make(speed=400, force=200)
    try:
        bench.device.connect()
        assert bench.faults.missing == 0
        assert bench.hand.written(inspire.SPEED_SET) == [400] * 6 and bench.hand.written(inspire.FORCE_SET) == [200] * 6
    finally:
        bench.close()


def test_connecting_to_a_silent_hand_fails_with_its_address(bench):
    bench.faults.silent = True
    with pytest.raises(DeviceError, match=bench.address):
        bench.device.connect()


@pytest.mark.parametrize(  # a serial line refuses nothing, and Modbus TCP has no checksum of its own
    ("bench", "fault"),
    [(wire, fault) for wire in ("serial", "modbus") for fault in ("silent", "cut")]
    + [("serial", "corrupt"), ("modbus", "refuse")],
    indirect=["bench"],
)
def test_missing_or_damaged_responses_are_no_measurement(bench, fault):
    bench.device.connect()
    setattr(bench.faults, fault, True)
    assert until(lambda: read_error(bench.device))


def test_a_slow_hand_does_not_block_the_servo_loop(bench):
    bench.device = bench.make(answer_s=0.5, max_age_s=1.0, connect_s=3.0)
    bench.faults.late_s = 0.2
    bench.device.connect()
    began = time.monotonic()
    for _ in range(100):
        bench.device.read()
        bench.device.write(ROBOT.lower)
        bench.device.fault()
    assert time.monotonic() - began < 10.0, "waiting for each answer would take 60 s"


def test_an_error_of_the_hand_stops_it_until_a_reset(bench):
    driver = started(bench.device, ROBOT)
    bench.faults.code = 0b101
    assert ticked_until(driver, lambda: driver.state is State.STOPPED)
    assert "pinky: stall, overcurrent" in driver.reason
    assert ticked_until(driver, lambda: driver.at_rest)
    assert driver.reset()[0]
    assert driver.state is State.HOLDING and bench.faults.code == 0


def test_a_hand_whose_error_ended_accepts_targets_after_a_reset(bench):
    """The library stores the error until it is cleared, and sends no target before."""
    driver = started(bench.device, ROBOT)
    bench.faults.code = 2
    assert ticked_until(driver, lambda: driver.state is State.STOPPED and driver.at_rest)
    bench.faults.code = 0
    assert until(lambda: bench.device.fault() is None)
    assert driver.state is State.STOPPED and driver.reset()[0]
    target = ROBOT.lower + 0.3 * (ROBOT.upper - ROBOT.lower)
    bench.device.write(target)
    assert until(lambda: np.abs(bench.device.read().position - target).max() < 2e-3)


def test_a_lasting_error_keeps_the_driver_stopped(bench):
    driver = started(bench.device, ROBOT)
    bench.hand.write = lambda address, data, write=bench.hand.write: (
        address == inspire.CLEAR_ERROR or write(address, data)
    )
    bench.faults.code = 2
    assert ticked_until(driver, lambda: driver.state is State.STOPPED and driver.at_rest)
    done, why = driver.reset()
    assert not done and "over-temperature" in why and driver.state is State.STOPPED


def test_a_hand_that_responds_again_is_reconnected_and_needs_a_reset(bench):
    driver = started(bench.device, ROBOT, device_timeout_s=0.05)
    bench.faults.silent = True
    assert ticked_until(driver, lambda: driver.state is State.LOST)
    assert not driver.reconnect()
    bench.faults.silent = False
    assert driver.reconnect()
    assert driver.state is State.STOPPED


def test_an_invalid_address_is_refused_with_what_is_expected():
    device = plug_in.make(DeviceSettings(ROBOT, "left", "hand", "hand:x", QUICK))
    with pytest.raises(DeviceError, match="expected a serial port"):
        device.connect()


def test_an_unknown_option_is_reported():
    with pytest.raises(DeviceError, match="inspire: option 'sped': found an unknown field, expected 'speed'"):
        plug_in.make(DeviceSettings(ROBOT, "left", "hand", "/dev/ttyUSB0", {"sped": 3}))


def test_the_emulator_command_prints_its_address_and_accepts_faults():
    argv = [sys.executable, "-c", "from device_emulators.command import emulate_inspire; emulate_inspire()"]
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        address = process.stdout.readline().strip().removeprefix("address:=")
        device = plug_in.make(DeviceSettings(ROBOT, "left", "hand", address, QUICK))
        device.connect()
        assert device.fault() is None
        process.stdin.write("code 1\nnonsense 3\n")
        process.stdin.flush()
        assert until(lambda: device.fault() is not None)
        assert "found 'nonsense', expected one of silent" in process.stderr.readline()
        device.disconnect()
        process.stdin.close()
        assert process.wait(5) == 0


@given(data=st.lists(st.binary(max_size=40), max_size=20))
def test_any_bytes_leave_the_emulated_fingers_within_their_range(data):
    hand = inspire.InspireHand(Faults())
    for protocol in (inspire.SerialProtocol(hand), inspire.ModbusProtocol(hand)):
        for part in data:
            protocol.receive(part)
    found = np.frombuffer(hand.read(inspire.ANGLE_ACT, 12), "<u2")
    assert (found <= 1000).all()
