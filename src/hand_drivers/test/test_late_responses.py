"""Responses without a number: an outstanding one is discarded before the next request, on a clock of the test."""

from __future__ import annotations

import pytest

from hand_drivers.devices.late_responses import LateResponses

WAIT_S = 0.04


class Line:
    """A serial line on its own clock."""

    def __init__(self) -> None:
        self.now = 0.0
        self.arriving: list[tuple[float, bytes]] = []  # when, in order
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


@pytest.mark.parametrize("delay_s", [0.045, 0.06, 0.079])
def test_a_late_response_is_not_that_to_the_next_request(delay_s):
    line = Line()
    with pytest.raises(TimeoutError):
        line.ask(b"old", delay_s)
    assert line.ask(b"new", 0.001) == b"new"
    assert line.now < WAIT_S + delay_s


def test_all_parts_of_a_late_response_are_discarded():
    line = Line()
    with pytest.raises(TimeoutError):
        line.ask(b"o", 0.045)
    line.arriving += [(0.05, b"l"), (0.055, b"d")]
    assert line.ask(b"new", 0.001) == b"new"


def test_a_response_that_never_comes_costs_one_more_wait():
    line = Line()
    with pytest.raises(TimeoutError):
        line.ask(b"lost", 1e9)
    line.arriving.clear()
    assert line.ask(b"new", 0.0) == b"new"
    assert line.now == pytest.approx(2 * WAIT_S)


def test_a_line_that_never_is_quiet_ends_the_wait():
    line = Line()
    with pytest.raises(TimeoutError):
        line.ask(b"", 1e9)
    line.arriving = [(WAIT_S + 0.005 * number, b"x") for number in range(1000)]
    with line.late.asking():
        pass
    assert line.now <= 2 * WAIT_S + 0.01


def test_without_an_outstanding_response_nothing_is_waited_for():
    line = Line()
    for _ in range(3):
        assert line.ask(b"new", 0.0) == b"new"
    assert line.now == 0.0
