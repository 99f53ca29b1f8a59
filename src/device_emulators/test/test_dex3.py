"""The Dex3-1: DDS participants on loopback, one of them an emulated G1 with both hands."""

from __future__ import annotations

import os
import re

import numpy as np
import pytest
from benches import (
    assert_one_late_response_loses_nothing,
    assert_reconnected_after_silence,
    assert_stopped_until_cleared,
    started,
    ticked_until,
)
from hypothesis import given
from hypothesis import strategies as st
from waiting import read_error

import embodiments
from device_emulators import g1
from device_emulators.dex3 import flipped
from device_emulators.faults import Faults
from hand_drivers.device import DeviceError, DeviceSettings
from hand_drivers.devices import dex3, g1_dds
from hand_drivers.polled_device import BusDevice
from hand_drivers.status import State
from node_kit.testing import until

pytestmark = pytest.mark.graph

pytest.importorskip("cyclonedds")
pytest.importorskip("unitree_sdk2py")

DOMAIN = 100 + int.from_bytes(os.urandom(2), "big") % 130  # random, to share no domain with another test run
QUICK = {"domain": DOMAIN, "answer_s": 0.2, "max_age_s": 1.0, "connect_s": 10.0}
SIGNS = {"right": np.ones(7), "left": np.array([1, -1, -1, -1, -1, -1, -1])}  # Unitree's left fingers bend to negative
LIMITS = {  # of Unitree's own models
    "right": [(-1.0472, 1.0472), (-1.0472, 0.7243), (-1.7454, 0)] + 2 * [(0, 1.5708), (0, 1.7454)],
    "left": [(-1.0472, 1.0472), (-0.7243, 1.0472), (0, 1.7454)] + 2 * [(-1.5708, 0), (-1.7454, 0)],
}


class Bench:
    """An emulated robot and the device of one of its hands."""

    def __init__(self, side: str) -> None:
        self.side, self.embodiment = side, embodiments.load("dex3", side)
        self.faults = Faults()
        self.robot = g1.G1Emulator(self.faults, "lo", DOMAIN)
        self.hand = self.robot.hands[side]
        self.device = self.make()

    def make(self, **options: float) -> BusDevice:
        return dex3.make(DeviceSettings(self.embodiment, self.side, "hand", "lo", QUICK | options))

    def close(self) -> None:
        self.device.disconnect()
        self.robot.close()


@pytest.fixture(params=["left", "right"])
def bench(request):
    bench = Bench(request.param)
    yield bench
    bench.close()


def test_a_hand_closes_and_opens(bench):
    bench.device.connect()
    for posture in ("grasp", "open"):
        target = bench.embodiment.postures[posture]
        bench.device.write(target)
        assert until(lambda t=target: np.abs(bench.device.read().position - t).max() < 1e-3)
        np.testing.assert_allclose(bench.hand.fingers.target, SIGNS[bench.side] * target, atol=1e-6)


def test_connecting_sends_nothing(bench):
    bench.device.connect()
    looks = bench.robot.looks
    assert until(lambda: bench.robot.looks > looks + 10)
    assert bench.hand.commands == 0


def test_each_motor_is_enabled_by_its_number(bench):
    bench.device.connect()
    bench.device.write(bench.embodiment.postures["open"])
    assert until(lambda: bench.hand.modes == [0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16])


def test_the_other_hand_does_not_move(bench):
    bench.device.connect()
    bench.device.write(bench.embodiment.postures["grasp"])
    assert until(lambda: bench.hand.commands > 0)
    other = bench.robot.hands["left" if bench.side == "right" else "right"]
    assert other.commands == 0 and not other.fingers.position.any()


def test_connecting_to_a_silent_hand_fails_with_its_address(bench):
    bench.faults.silent = True
    bench.device = bench.make(connect_s=0.3)
    side = bench.side
    with pytest.raises(DeviceError, match=f"dex3 lo {side}, domain {DOMAIN}: rt/dex3/{side}/state: no message"):
        bench.device.connect()


def test_a_hand_that_stops_responding_is_lost_and_reconnects_stopped(bench):
    reason = f"rt/dex3/{bench.side}/state: no message"
    assert_reconnected_after_silence(bench.device, bench.embodiment, bench.faults, reason)


def test_a_second_driver_of_a_hand_is_refused(bench):
    bench.device.connect()
    with pytest.raises(DeviceError, match=f"device dex3 lo {bench.side}, domain {DOMAIN}: in use by process"):
        bench.make().connect()


def test_another_program_that_commands_the_hand_stops_the_driver(bench):
    from unitree_sdk2py.idl.unitree_hg.msg.dds_ import HandCmd_, MotorCmd_

    driver = started(bench.device, bench.embodiment)
    topic = f"rt/dex3/{bench.side}/cmd"
    other = g1_dds.writer(g1_dds.open_participant("lo", DOMAIN), topic, HandCmd_)
    command = HandCmd_([MotorCmd_(0, 0.0, 0.0, 0.0, 0.0, 0.0, 0)] * 7, [0] * 4)
    assert ticked_until(driver, lambda: other.write(command) or driver.state is State.STOPPED)
    assert driver.reason == f"another program sends {topic}"


def test_a_motor_error_is_reported_and_stops_until_cleared_and_reset(bench):
    reason = "; ".join(f"{joint}: overcurrent (35 and 45 °C)" for joint in bench.embodiment.joints)
    assert_stopped_until_cleared(bench.device, bench.embodiment, bench.faults, 1, reason)


@pytest.mark.parametrize(
    ("spoil", "fault"),
    [
        (lambda hand: setattr(hand.state, "error", [0, 0x20]), "error 0x0 0x20"),
        (lambda hand: setattr(hand.faults, "timed_out", True), "motors stopped, commands were missing"),
    ],
)
def test_every_other_error_of_the_hand_is_a_fault(bench, spoil, fault):
    bench.device.connect()
    assert bench.device.fault() is None
    spoil(bench.hand)
    assert until(lambda: bench.device.fault() == fault)


@pytest.mark.parametrize("kind", ["frozen", "timed_out"])
def test_a_blocked_hand_reports_its_measured_position(bench, kind):
    bench.device.connect()
    setattr(bench.faults, kind, True)
    bench.device.write(bench.embodiment.postures["grasp"])
    assert until(lambda: bench.hand.commands > 0)
    assert not until(lambda: np.abs(bench.device.read().position).max() > 1e-3, 0.2)


def test_positions_with_a_flipped_bit_are_no_measurement(bench):
    bench.device.connect()
    bench.device.write(bench.embodiment.postures["grasp"])
    assert until(lambda: np.abs(bench.device.read().position - bench.embodiment.postures["grasp"]).max() < 1e-3)
    bench.faults.corrupt = True
    assert until(lambda: "expected at most one turn" in read_error(bench.device))


def test_a_hand_with_late_states_is_lost_until_they_are_fresh(bench):
    bench.device = bench.make(connect_s=3.0)
    driver = started(bench.device, bench.embodiment, device_timeout_s=0.05)
    bench.faults.late_s = 1.5
    assert ticked_until(driver, lambda: driver.state is State.LOST)
    assert until(lambda: _late(bench.device))
    assert not driver.reconnect()
    bench.faults.late_s = 0.0
    assert until(driver.reconnect)


def test_one_late_state_loses_nothing(bench):
    assert_one_late_response_loses_nothing(bench.device, bench.embodiment, bench.faults, 0.1)


def _late(device):
    with pytest.raises(DeviceError) as refused:
        device.connect()
    return re.search(r"state: \d+\.\d\d s late", str(refused.value))


@given(value=st.floats(-1.75, 1.75, width=32).filter(lambda value: abs(value) > 1e-30))
def test_a_flipped_bit_makes_a_position_absurd(value):
    assert not abs(flipped(value)) <= 100


def test_a_hand_of_another_kind_is_refused():
    with pytest.raises(DeviceError, match=r"dex3: found joints .* expected one about x, y or z for each of"):
        dex3.make(DeviceSettings(embodiments.load("inspire"), "left", "hand", "lo", QUICK))


def test_a_missing_network_interface_is_reported_by_name():
    device = dex3.make(DeviceSettings(embodiments.load("dex3"), "right", "hand", "eth77", QUICK))
    with pytest.raises(DeviceError, match=r"dex3 eth77 right.*: address: found 'eth77', expected a network interface"):
        device.connect()


@given(side=st.sampled_from(["left", "right"]), share=st.lists(st.floats(0, 1), min_size=7, max_size=7))
def test_limits_of_the_embodiment_are_within_those_of_unitree(side, share):
    robot = embodiments.load("dex3", side)
    motors = g1_dds.find_motors(robot, dex3.ORDER)
    position = np.empty(7)
    position[list(motors.number)] = motors.sign * (robot.lower + np.array(share) * (robot.upper - robot.lower))
    lower, upper = np.array(LIMITS[side]).T
    assert (position >= lower - 1e-3).all() and (position <= upper + 1e-3).all()
