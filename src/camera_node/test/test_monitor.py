"""The monitor reports a stopped or frozen camera within two frame periods."""

from __future__ import annotations

import numpy as np
import pytest

from camera_node.monitor import FrameMonitor, State
from camera_node.source import Frame

PERIOD_S = 0.1
BLACK = np.zeros((2, 2, 3), np.uint8)


def feed(monitor: FrameMonitor, count: int, start_s: float = 0.0, period_s: float = PERIOD_S) -> float:
    """Frames that differ, one a period; returns the time of the last."""
    for index in range(count):
        now = start_s + index * period_s
        assert monitor.accept(Frame(round(now * 1e9) + 1, BLACK + index % 2 + 1), now)
    return start_s + (count - 1) * period_s


def test_before_the_first_frame_the_camera_is_starting():
    monitor = FrameMonitor(rate_hz=10.0)
    assert monitor.state(100.0) is State.STARTING
    assert monitor.overdue_s is None and monitor.rate_hz == 0.0


@pytest.mark.parametrize("rate_hz", [10.0, 0.0], ids=["known rate", "measured rate"])
def test_a_stopped_camera_is_detected_within_two_frame_periods(rate_hz):
    monitor = FrameMonitor(rate_hz)
    last = feed(monitor, 10)
    assert monitor.state(last + 1.9 * PERIOD_S) is State.STREAMING
    assert monitor.overdue_s == pytest.approx(last + 2 * PERIOD_S)
    assert monitor.state(last + 2.001 * PERIOD_S) is State.STOPPED


@pytest.mark.parametrize("repeat", ["stamp", "picture"])
def test_a_frozen_camera_is_detected_within_two_frame_periods(repeat):
    monitor = FrameMonitor(10.0, always_changes=True)
    frame = Frame(1, BLACK)
    assert monitor.accept(frame, 0.0)
    for index in range(1, 4):
        again = Frame(1, BLACK + index) if repeat == "stamp" else Frame(1 + index, BLACK)
        assert not monitor.accept(again, index * PERIOD_S)
    assert monitor.state(1.9 * PERIOD_S) is State.STREAMING
    assert monitor.state(2.001 * PERIOD_S) is State.FROZEN


def test_a_new_frame_makes_a_stopped_or_frozen_camera_stream_again():
    monitor = FrameMonitor(10.0, always_changes=True)
    last = feed(monitor, 4)
    monitor.accept(Frame(2, BLACK), last + 0.1)
    assert monitor.state(last + 1.0) is State.FROZEN
    feed(monitor, 1, last + 2.0)
    assert monitor.state(last + 2.1) is State.STREAMING


def test_equal_frames_of_a_world_at_rest_are_no_fault():
    monitor = FrameMonitor(10.0, always_changes=False)
    assert all(monitor.accept(Frame(index, BLACK), index * PERIOD_S) for index in range(5))


def test_the_rate_is_measured_from_the_stamps():
    monitor = FrameMonitor()
    assert monitor.period_s == 0.5
    feed(monitor, 20, period_s=0.04)
    assert monitor.rate_hz == pytest.approx(25.0)
    assert monitor.period_s == pytest.approx(0.04)


def test_a_frozen_camera_is_still_frozen_after_it_was_opened_again():
    monitor = FrameMonitor(10.0, always_changes=True)
    monitor.accept(Frame(5, BLACK), 0.0)
    monitor.restart()
    assert monitor.state(1.0) is State.STARTING
    assert not monitor.accept(Frame(6, BLACK), 1.0)
    assert monitor.state(1.0) is State.FROZEN
    assert monitor.accept(Frame(3, BLACK + 1), 1.1), "the clock may have been set back meanwhile"
    assert monitor.state(1.1) is State.STREAMING
