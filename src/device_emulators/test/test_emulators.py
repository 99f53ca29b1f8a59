"""Emulators respond to or ignore requests that no driver sends; no request ends them."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from device_emulators import inspire, xarm
from device_emulators.faults import Faults
from device_emulators.lag import Lag


@pytest.fixture
def box():
    box = xarm.ControlBox(Faults(), Lag(np.zeros(7)))
    box.enabled, box.mode, box.state = True, xarm.SERVO_MODE, xarm.READY
    return box


@pytest.mark.parametrize("count", [0, 4, 255])
def test_a_box_gives_three_rows_of_joint_states_at_most(box, count):
    assert box.answer(42, bytes([count])) is None
    assert len(box.answer(42, b"\3")) == 3 * 7 * 4


@pytest.mark.parametrize("target", [np.full(10, np.nan), np.full(10, 7.0), np.full(10, 3e38)])
def test_a_box_ignores_targets_outside_its_joint_limits(box, target):
    box.answer(29, struct.pack("<10f", *target))
    assert (box.joints.target == 0).all() and box.targets == 0


@pytest.mark.parametrize("function", [12, 19])
def test_a_box_refuses_a_state_or_mode_that_its_report_cannot_hold(box, function):
    assert box.answer(function, b"\x10") is None
    assert len(box.report()) == 135


def test_a_gripper_returns_the_last_words_of_a_longer_register(box):
    written = bytes(range(1, 9))
    assert box.answer(124, struct.pack(">BBBHHB", 9, xarm.GRIPPER, 16, 0x0300, 4, 8) + written) is not None
    response = box.answer(124, struct.pack(">BBBHH", 9, xarm.GRIPPER, 3, 0x0300, 1))
    assert response[-2:] == written[-2:]


@pytest.mark.parametrize("size", [252, 253, 255])
def test_a_hand_ignores_a_reading_longer_than_its_longest_response(size):
    protocol = inspire.SerialProtocol(inspire.InspireHand(Faults()))
    body = bytes([1, 4, 0x11, 0, 0, size])
    assert bool(protocol.receive(b"\xeb\x90" + body + bytes([sum(body) & 0xFF]))) is (size <= inspire.LONGEST)


@pytest.mark.parametrize(
    "text", ["late_s nan", "late_s inf", "late_s -1", "late_s 1e9", "code inf", "code 65536", "cut x"]
)
def test_an_invalid_fault_is_refused_with_a_reason_and_not_applied(text):
    faults = Faults()
    assert "expected a number of 0 to" in faults.set(text)
    assert faults == Faults()


@pytest.mark.parametrize(("text", "expected"), [("late_s 0.2", 0.2), ("code 300", 300), ("silent 1", True)])
def test_a_valid_fault_is_applied(text, expected):
    faults = Faults()
    assert faults.set(text) == ""
    assert getattr(faults, text.split()[0]) == expected
