"""A device behind a slow wire: what the thread does when the wire hangs, fails or closes."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from waiting import silent

from hand_drivers import polled_device
from hand_drivers.device import SLACK, DeviceError
from hand_drivers.polled_device import Answer, BusDevice, BusOptions
from node_kit.testing import until

OPTIONS = BusOptions(answer_s=0.1, max_age_s=0.1, connect_s=1.0)


class Line:
    """A wire whose other end a test holds."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.sent: list[float] = []
        self.asked = 0
        self.stuck_at: float | None = None
        self.hangs, self.let_go = False, threading.Event()
        self.fails: Exception | None = None
        self.fault: str | None = None

    def open(self) -> None:
        self.calls.append("open")

    def exchange(self, target: np.ndarray | None) -> Answer:
        self.asked += 1
        if self.hangs:
            self.let_go.wait(10.0)
        if self.fails:
            raise self.fails
        if target is not None:
            self.sent.append(float(target[0]))
        position = np.array(self.sent[-1:] or [0.0]) if self.stuck_at is None else np.array([self.stuck_at])
        return Answer(time.time_ns(), position, fault=self.fault)

    def clear(self) -> None:
        self.fault = None

    def close(self) -> None:
        self.calls.append("close")


@pytest.fixture
def lines(monkeypatch):
    monkeypatch.setattr(polled_device, "JOIN_S", 0.05)
    return []


@pytest.fixture
def device(lines):
    def make() -> Line:
        lines.append(Line())
        return lines[-1]

    device = BusDevice("hand /dev/x", ("finger",), make, OPTIONS)
    yield device
    for line in lines:
        line.let_go.set()
    device.disconnect()


def test_a_target_that_waits_goes_out_before_the_wire_closes(device, lines):
    device.connect()
    device.write(np.array([0.5]))
    device.disconnect()
    assert until(lambda: lines[0].calls == ["open", "close"])
    assert lines[0].sent == [0.5]


def test_a_wire_that_hangs_is_left_behind_and_another_opened(device, lines):
    device.connect()
    lines[0].hangs = True
    device.write(np.array([0.5]))
    assert until(lambda: silent(device))
    device.connect()
    assert len(lines) == 2 and not silent(device)
    lines[0].let_go.set()
    assert until(lambda: lines[0].calls == ["open", "close"])
    assert not silent(device)


def test_a_target_that_did_not_arrive_is_sent_again(device, lines):
    device.connect()
    lines[0].fails = ValueError("checksum")
    device.write(np.array([0.5]))
    assert until(lambda: device._connection.newest()[2])
    lines[0].fails = None
    assert until(lambda: lines[0].sent == [0.5])


def test_a_stale_target_is_not_sent_after_a_reconnection(device, lines):
    device.connect()
    lines[0].fails = OSError("unplugged")
    assert until(lambda: device._connection.newest()[2])
    device.write(np.array([0.7]))
    assert until(lambda: silent(device))
    lines[0].fails = None
    assert until(lambda: not silent(device))
    assert lines[0].sent == []


def test_a_fast_wire_is_polled_at_its_period_only(device, lines):
    device.connect()
    began, asked = time.monotonic(), lines[0].asked
    assert until(lambda: lines[0].asked >= asked + 10)
    assert time.monotonic() - began >= 9 * polled_device.PERIOD_S


def test_the_error_of_the_wire_is_what_a_missed_reading_says(device, lines):
    device.connect()
    lines[0].fails = ValueError("checksum")
    assert until(lambda: silent(device))
    with pytest.raises(DeviceError, match="hand /dev/x: checksum"):
        device.read()


def test_a_fault_is_cleared_before_clearing_returns(device, lines):
    device.connect()
    lines[0].fault = "hot"
    assert until(lambda: device.fault() == "hot")
    device.clear_fault()
    assert device.fault() is None


@pytest.mark.parametrize(
    ("told", "held"), [(0.05, 0.05), (0.8, SLACK), (-0.8, -SLACK)], ids=["near", "kept from closing", "from opening"]
)
def test_a_stopped_hand_keeps_its_grip_and_does_not_jump_without_object(device, lines, told, held):
    device.connect()
    lines[0].stuck_at = 0.0
    device.write(np.array([told]))
    assert until(lambda: lines[0].sent == [told])
    device.stop()
    assert until(lambda: lines[0].sent == [told, pytest.approx(held)])


def test_a_hand_that_was_told_nothing_stops_where_it_is(device, lines):
    device.connect()
    device.write(np.array([0.7]))
    lines[0].stuck_at = 0.3
    device.connect()
    lines[1].stuck_at = 0.3
    assert until(lambda: device.read().position == [0.3])
    device.stop()
    assert until(lambda: lines[1].sent == [0.3])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_never_gets_onto_the_wire(device, lines, value):
    device.connect()
    with pytest.raises(DeviceError, match=r"hand /dev/x: found targets .* expected finite numbers"):
        device.write(np.array([value]))
    device.disconnect()
    assert lines[0].sent == []


def test_nothing_is_asked_of_a_device_that_is_not_connected(device):
    for call in (device.read, device.clear_fault, device.stop):
        with pytest.raises(DeviceError, match="not connected"):
            call()
    device.disconnect()


@given(steps=st.lists(st.tuples(st.integers(1, 10**9), st.floats(-3, 3)), min_size=2, max_size=10))
def test_velocity_is_the_difference_of_positions_over_that_of_their_stamps(steps):
    connection, stamp_ns, before = polled_device._Connection("x", Line()), 0, None
    for step_ns, position in steps:
        stamp_ns += step_ns
        sample, _ = connection._read(Answer(stamp_ns, np.array([position])))
        expected = 0.0 if before is None else (position - before) / (1e-9 * step_ns)
        assert sample.velocity == pytest.approx([expected])
        connection._newest, before = (0.0, sample), position
