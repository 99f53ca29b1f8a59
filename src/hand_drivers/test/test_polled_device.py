"""A device behind a slow wire: its thread when the wire hangs, fails or closes."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from waiting import read_error

from hand_drivers import polled_device
from hand_drivers.device import SLACK, DeviceError
from hand_drivers.polled_device import Answer, BusDevice, BusOptions
from node_kit.testing import until

OPTIONS = BusOptions(answer_s=0.1, max_age_s=0.1, connect_s=1.0)


class Line:
    """A wire whose responses the test controls."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.sent: list[float] = []
        self.requests = 0
        self.stuck_at: float | None = None
        self.hangs, self.let_go = False, threading.Event()
        self.fails: Exception | None = None
        self.fault: str | None = None

    def open(self) -> None:
        self.calls.append("open")

    def exchange(self, target: np.ndarray | None) -> Answer:
        self.requests += 1
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


def test_a_pending_target_is_sent_before_the_wire_closes(device, lines):
    device.connect()
    device.write(np.array([0.5]))
    device.disconnect()
    assert until(lambda: lines[0].calls == ["open", "close"])
    assert lines[0].sent == [0.5]


def test_a_hanging_wire_is_abandoned_and_another_is_opened(device, lines):
    device.connect()
    lines[0].hangs = True
    device.write(np.array([0.5]))
    assert until(lambda: read_error(device))
    device.connect()
    assert len(lines) == 2 and not read_error(device)
    lines[0].let_go.set()
    assert until(lambda: lines[0].calls == ["open", "close"])
    assert not read_error(device)


def test_a_target_that_failed_to_be_sent_is_retried(device, lines):
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
    assert until(lambda: read_error(device))
    lines[0].fails = None
    assert until(lambda: not read_error(device))
    assert lines[0].sent == []


def test_a_fast_wire_is_polled_at_its_period_only(device, lines):
    device.connect()
    began, requests = time.monotonic(), lines[0].requests
    assert until(lambda: lines[0].requests >= requests + 10)
    assert time.monotonic() - began >= 9 * polled_device.PERIOD_S


def test_a_missed_reading_reports_the_error_of_the_wire(device, lines):
    device.connect()
    lines[0].fails = ValueError("checksum")
    assert until(lambda: read_error(device))
    with pytest.raises(DeviceError, match="hand /dev/x: checksum"):
        device.read()


def test_a_fault_is_cleared_before_clearing_returns(device, lines):
    device.connect()
    lines[0].fault = "hot"
    assert until(lambda: device.fault() == "hot")
    device.clear_fault()
    assert device.fault() is None


@pytest.mark.parametrize(
    ("target", "held"), [(0.05, 0.05), (0.8, SLACK), (-0.8, -SLACK)], ids=["near", "kept from closing", "from opening"]
)
def test_a_stopped_hand_keeps_its_grip_and_does_not_jump_without_object(device, lines, target, held):
    device.connect()
    lines[0].stuck_at = 0.0
    device.write(np.array([target]))
    assert until(lambda: lines[0].sent == [target])
    device.stop()
    assert until(lambda: lines[0].sent == [target, pytest.approx(held)])


def test_a_hand_without_a_target_stops_at_its_measured_position(device, lines):
    device.connect()
    lines[0].stuck_at = 0.3
    assert until(lambda: device.read().position == [0.3])
    device.stop()
    assert until(lambda: lines[0].sent == [0.3])


def test_a_reconnected_hand_that_stops_keeps_its_grip(device, lines):
    device.connect()
    lines[0].stuck_at = 0.3
    device.write(np.array([0.7]))
    assert until(lambda: lines[0].sent == [0.7])
    device.connect()
    lines[1].stuck_at = 0.3
    assert until(lambda: device.read().position == [0.3])
    assert lines[1].sent == []
    device.stop()
    assert until(lambda: lines[1].sent == [pytest.approx(0.3 + SLACK)])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_non_finite_target_is_refused_and_not_sent(device, lines, value):
    device.connect()
    with pytest.raises(DeviceError, match=r"hand /dev/x: found targets .* expected finite numbers"):
        device.write(np.array([value]))
    device.disconnect()
    assert lines[0].sent == []


def test_requests_to_an_unconnected_device_are_refused(device):
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
