"""The Ability hand: our codec of its frames, and its device against an emulated hand on a pseudo terminal."""

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
    assert_stopped_until_cleared,
)
from hypothesis import given
from hypothesis import strategies as st
from waiting import read_error

import embodiments
from device_emulators.ability import AbilityHand
from device_emulators.faults import Faults
from device_emulators.lag import Lag
from hand_drivers.device import DeviceError, DeviceSettings
from hand_drivers.devices import ability
from hand_drivers.devices import ability_frames as wire
from node_kit.testing import until

pytestmark = pytest.mark.graph

ROBOT = embodiments.load("ability")


class Bench(WireBench):
    """An emulated hand and its device."""

    def __init__(self, fingers: Lag | None = None) -> None:
        faults = Faults()
        self.hand = AbilityHand(faults, fingers)
        super().__init__(ability.make, ROBOT, lambda: self.hand, faults)


@pytest.fixture
def bench():
    bench = Bench()
    yield bench
    bench.close()


def test_a_late_response_is_not_taken_for_that_to_the_next_request():
    bench = Bench(Lag(np.radians([1, 1, 1, 1, 1, -1]), AT_ONCE_S))
    try:
        postures = ROBOT.postures["open"], ROBOT.postures["grasp"]
        assert_each_response_is_matched(bench.wire(), bench.faults, postures, before=True)
    finally:
        bench.close()


def test_one_late_response_loses_nothing(bench):
    bench.device = bench.make(**PATIENT)
    assert_one_late_response_loses_nothing(bench.device, ROBOT, bench.faults, 0.45)


def test_a_frame_is_what_the_maker_writes():
    """15 degrees are 3276.7 / 32767 of 150: the index, 3277 = 0x0CCD; the checksum makes the sum of all bytes zero."""
    frame = wire.command(np.radians([15, 0, 0, 0, 0, -15]))
    assert frame == bytes.fromhex("7e 5012 cd0c 0000 0000 0000 0000 33f3 9f 7e".replace(" ", ""))
    assert wire.command(None) == bytes.fromhex("7e50a20e7e")


@given(body=st.binary(min_size=1, max_size=100), noise=st.binary(max_size=20).filter(lambda data: 0x7D not in data))
def test_every_body_survives_stuffing_in_pieces_and_behind_noise(body, noise):
    frame, unstuffer = noise + wire.stuffed(body), wire.Unstuffer()
    found = [whole for byte in frame for whole in unstuffer.feed(bytes([byte]))]
    assert found[-1] == body


@given(data=st.lists(st.binary(max_size=60), max_size=20))
def test_after_any_bytes_both_ends_decode_the_next_frame(data):
    hand, unstuffer = AbilityHand(Faults()), wire.Unstuffer()
    for part in data:
        hand.receive(part)
        for body in unstuffer.feed(part):
            wire.reply(body)
    end = bytes([wire.FRAME])  # ends what the junk began
    hand.receive(end)
    unstuffer.feed(end)
    (body,) = unstuffer.feed(hand.receive(wire.command(None)))
    assert wire.reply(body) is not None


@given(position=st.lists(st.floats(-10, 10), min_size=6, max_size=6))
def test_positions_stay_within_the_range_of_the_wire(position):
    (body,) = wire.Unstuffer().feed(wire.command(np.array(position)))
    sent = np.frombuffer(body[2:], "<i2") / wire.PER_RAD
    np.testing.assert_allclose(sent, np.clip(position, -np.radians(150), np.radians(150)), atol=1e-4)


def test_a_damaged_frame_is_dropped_and_the_next_one_read():
    good = wire.stuffed(b"\x50\x12abc")
    damaged = good[:3] + bytes([good[3] ^ 0x10]) + good[4:]
    assert wire.Unstuffer().feed(damaged + good) == [b"\x50\x12abc"]


def test_a_target_arrives_joint_by_joint_and_the_thumb_turns_the_other_way(bench):
    bench.device.connect()
    target = np.array([-1.2, 0.6, 0.5, 0.4, 0.3, 0.2])  # thumb rotator, thumb flexor, index, middle, ring, little
    bench.device.write(target)
    assert until(lambda: np.abs(bench.device.read().position - target).max() < 2e-3)
    np.testing.assert_allclose(bench.hand.joints.target, [0.5, 0.4, 0.3, 0.2, 0.6, -1.2], atol=1e-4)


def test_connecting_moves_nothing(bench):
    before = bench.hand.joints.target.copy()
    bench.device.connect()
    assert until(lambda: bench.hand.frames > 5)
    np.testing.assert_array_equal(bench.hand.joints.target, before)


def test_a_target_is_repeated_to_keep_remote_control(bench):
    bench.device.connect()
    bench.device.write(np.zeros(6))
    frames = bench.hand.frames
    assert until(lambda: bench.hand.frames > frames + 10)
    np.testing.assert_allclose(bench.hand.joints.target, 0, atol=1e-4)


@pytest.mark.parametrize("fault", ["silent", "cut", "corrupt"])
def test_missing_or_damaged_responses_are_no_measurement(bench, fault):
    bench.device.connect()
    setattr(bench.faults, fault, True)
    assert until(lambda: read_error(bench.device))


def test_connecting_to_a_silent_hand_fails_with_its_address(bench):
    bench.faults.silent = True
    with pytest.raises(DeviceError, match=f"ability {bench.address}: no response"):
        bench.device.connect()


def test_a_missing_port_is_reported_at_connection():
    device = ability.make(DeviceSettings(ROBOT, "right", "hand", "/dev/ttyNONE", QUICK))
    with pytest.raises(DeviceError, match="/dev/ttyNONE"):
        device.connect()


def test_a_fault_status_stops_the_driver_until_cleared_and_reset(bench):
    reason = "the hand reports status 0x21 (temperature or collision)"
    assert_stopped_until_cleared(bench.device, ROBOT, bench.faults, 0x21, reason)


def test_the_joints_of_another_hand_are_refused():
    with pytest.raises(DeviceError, match="expected index_q1"):
        ability.make(DeviceSettings(embodiments.load("inspire"), "right", "hand", "/dev/ttyUSB0", QUICK))


@given(body=st.binary(min_size=wire.LONGEST, max_size=wire.LONGEST + 80))
def test_a_frame_that_is_too_long_is_dropped(body):
    sealed = body[: wire.LONGEST - 1] + bytes([-sum(body[: wire.LONGEST - 1]) & 0xFF]) + body[wire.LONGEST - 1 :]
    assert wire.Unstuffer().feed(wire.stuffed(sealed) + wire.stuffed(b"sound")) == [b"sound"]
