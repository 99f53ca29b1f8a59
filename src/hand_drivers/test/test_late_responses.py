"""Responses without a number: an outstanding one is discarded before the next request, on a clock of the test."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hand_drivers.device import DeviceError
from hand_drivers.devices.late_responses import DOUBT, QUIET_S, LateResponses

WAIT_S = 0.04


class Line:
    """A serial line on its own clock."""

    def __init__(self) -> None:
        self.now = 0.0
        self.arriving: list[tuple[float, bytes]] = []  # when, in order
        self.reopen()

    def reopen(self) -> None:
        self.late = LateResponses(self.read, WAIT_S, lambda: self.now)

    def read(self, wait_s: float) -> bytes:
        if self.arriving and self.arriving[0][0] <= self.now + wait_s:
            when, data = self.arriving.pop(0)
            self.now = max(self.now, when)
            return data
        self.now += wait_s
        return b""

    def ask(self, response: bytes, delay_s: float) -> bytes:
        """A request whose response comes after a while; what is received in time."""
        with self.late.asking():
            self.arriving.append((self.now + delay_s, response))
            received = self.read(WAIT_S)
            if not received:
                raise TimeoutError
            return received


def used_line() -> Line:
    """A line at time 0, with a first response."""
    line = Line()
    line.now = -1.0
    line.ask(b"first", 0.001)
    line.now = 0.0
    return line


@pytest.mark.parametrize("delay_s", [0.045, 0.06, 0.079])
def test_a_late_response_is_not_that_to_the_next_request(delay_s):
    line = used_line()
    with pytest.raises(TimeoutError):
        line.ask(b"old", delay_s)
    assert line.ask(b"new", 0.001) == b"new"
    assert line.now < WAIT_S + delay_s


def test_all_parts_of_a_late_response_are_discarded():
    line = used_line()
    with pytest.raises(TimeoutError):
        line.ask(b"o", 0.045)
    line.arriving += [(0.05, b"l"), (0.055, b"d")]
    assert line.ask(b"new", 0.001) == b"new"


def test_a_response_that_never_comes_costs_one_more_wait_and_silence():
    line = used_line()
    with pytest.raises(TimeoutError):
        line.ask(b"lost", 1e9)
    line.arriving.clear()
    assert line.ask(b"new", 0.0) == b"new"
    assert line.now == pytest.approx(2 * WAIT_S + QUIET_S)


def test_a_line_that_never_is_quiet_ends_the_wait():
    line = used_line()
    with pytest.raises(TimeoutError):
        line.ask(b"", 1e9)
    line.arriving = [(WAIT_S + 0.005 * number, b"x") for number in range(1000)]
    with pytest.raises(DeviceError, match="a late response"), line.late.asking():
        pass
    assert line.now <= 3 * WAIT_S + 0.01


def test_without_an_outstanding_response_nothing_is_waited_for():
    line = used_line()
    for _ in range(3):
        assert line.ask(b"new", 0.0) == b"new"
    assert line.now == 0.0


class SlowDevice:
    """Numbers its responses; handles one request after the other, one of them late; some responses are lost."""

    def __init__(self, usual_s: float, late: dict[int, float]) -> None:
        self.line, self.usual_s, self.late = Line(), usual_s, late  # late: number of a request -> s, inf: lost
        self.free_at, self.asked = 0.0, 0

    def exchange(self) -> bool:
        """One request; whether a response was taken for its own, which has to be true of it."""
        number = self.asked
        line = self.line
        try:
            with line.late.asking():
                self.asked += 1
                takes = self.late.get(number, self.usual_s)
                if takes < 1e9:
                    self.free_at = max(line.now, self.free_at) + takes
                    line.arriving.append((self.free_at, str(number).encode()))
                received = line.read(WAIT_S)
                if not received:
                    raise TimeoutError
        except (TimeoutError, DeviceError):
            return False
        assert received == str(number).encode(), "a response that is another request's"
        return True


@given(
    usual_s=st.sampled_from([0.0005, 0.002, 0.01, 0.015, 0.025, 0.035]),
    late_s=st.floats(1.05, 20.0).map(lambda waits: waits * WAIT_S) | st.just(1e9),
    pause_s=st.sampled_from([0.0, 0.001, 0.01, 0.05]),
)
def test_no_response_however_late_is_taken_for_another_requests(usual_s, late_s, pause_s):
    device, answered = SlowDevice(usual_s, {5: late_s}), []
    for _ in range(60):
        answered.append(device.exchange())
        device.line.now += pause_s
    assert all(answered[:5]) and not answered[5]
    missed = answered.count(False)
    assert missed <= 3 + (late_s / WAIT_S if late_s < 1e9 else 0)
    assert all(answered[5 + missed :]), "after the first sound response all are"


def test_after_a_lost_response_the_line_is_in_doubt_for_a_while_only():
    device = SlowDevice(0.002, {0: 1e9})
    assert not device.exchange() and device.exchange()
    device.line.now += DOUBT * WAIT_S
    before = device.line.now
    assert device.exchange() and device.line.now == pytest.approx(before + 0.002)


@pytest.mark.parametrize("usual_s", [0.002, 0.01, 0.015, 0.025])
@pytest.mark.parametrize("waits", [1.2, 2.1, 3, 5, 10])
def test_a_late_first_response_is_not_taken_for_another_requests(usual_s, waits):
    device = SlowDevice(usual_s, {0: waits * WAIT_S})
    answered = [device.exchange() for _ in range(40)]
    assert all(answered[20:])


@pytest.mark.parametrize("usual_s", [0.002, 0.01, 0.015, 0.025])
@pytest.mark.parametrize("requests", [1, 2, 3])
def test_a_new_connection_takes_no_response_to_a_request_before_it(usual_s, requests):
    device = SlowDevice(usual_s, {0: 0.17})
    assert not any(device.exchange() for _ in range(requests))
    device.line.reopen()
    answered = [device.exchange() for _ in range(20)]
    assert all(answered[10:])


def test_the_first_response_of_a_connection_counts_if_silence_follows():
    line = Line()
    assert line.ask(b"new", 0.001) == b"new"
    assert line.now == pytest.approx(0.001 + WAIT_S)
    assert line.ask(b"new", 0.001) == b"new"
    assert line.now == pytest.approx(0.002 + WAIT_S)


def test_a_slow_response_long_ago_does_not_prolong_the_silence():
    device = SlowDevice(0.002, {0: 0.035, 300: 1e9})
    answered = [device.exchange() for _ in range(301)]
    assert all(answered[:300]) and not answered[300]
    before = device.line.now
    assert device.exchange() and device.line.now == pytest.approx(before + WAIT_S + 0.002 + QUIET_S)
