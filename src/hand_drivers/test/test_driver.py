"""The driver core, stepped by the test: motion, stops, and the reset after a stop."""

from __future__ import annotations

import itertools
import threading
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stepping import stepped

from contracts.chunk import Chunk
from hand_drivers.device import DeviceError
from hand_drivers.driver import Driver
from hand_drivers.guard import MotionLimits
from hand_drivers.status import ChunkStatus, State

MS = 1_000_000
PERIOD = 10 * MS
START = 1_000_000 * MS


class Bench:
    """A driver, its device and a clock that advances by periods."""

    def __init__(self, device, limits, **settings) -> None:
        self.device, self.limits = device, limits
        self.driver = Driver(device, limits, stepped(**settings))
        self.now = self.wrote_ns = START
        self.driver.start()

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds * 100)):
            self.now += PERIOD
            if self.now - self.wrote_ns > 50 * MS and self.device.written:
                self.device.rest()
            count = len(self.device.written)
            self.driver.tick(self.now)
            self.wrote_ns = self.now if len(self.device.written) > count else self.wrote_ns

    def send(self, points, age_ms=20, period_s=0.1) -> ChunkStatus:
        """A chunk whose first point is one period after its stamp."""
        points = np.asarray(points, float)
        times = period_s * np.arange(1, len(points) + 1)
        return self.driver.accept_chunk(Chunk(self.now - age_ms * MS, times, points), self.now)

    def follow(self, points, seconds: float) -> None:
        """Send the same target every 100 ms, as a policy does."""
        for _ in range(round(seconds * 10)):
            assert self.send(points) is ChunkStatus.ACCEPTED
            self.run(0.1)

    def assert_motion_within_limits(self) -> None:
        for run in self.device.runs:
            path = np.array([run[0], *run])
            assert (np.abs(np.diff(path, axis=0)) / 0.01 <= self.limits.velocity + 1e-9).all()
            assert (np.abs(np.diff(path, 2, axis=0)) / 0.01**2 <= self.limits.acceleration + 1e-9).all()
            assert (path >= self.limits.lower - 1e-9).all() and (path <= self.limits.upper + 1e-9).all()


@pytest.fixture
def bench(device, limits) -> Bench:
    return Bench(device, limits)


def moving(bench: Bench) -> Bench:
    bench.follow([np.ones(3)] * 5, 0.3)
    assert not bench.driver.at_rest and bench.driver.state is State.TRACKING
    return bench


def test_a_second_publisher_brakes_a_moving_robot_until_a_reset(bench):
    driver = moving(bench).driver
    driver.disown("two publishers of /x: a and an unknown node", bench.now)
    driver.disown("two publishers of /x: a and b", bench.now)
    assert (driver.state, driver.reason, driver.faults) == (State.STOPPED, "two publishers of /x: a and b", 1)
    bench.run(1.0)
    assert driver.at_rest and driver.refusal == "two_publishers"
    bench.assert_motion_within_limits()
    assert bench.send([np.ones(3)]) is ChunkStatus.NOT_READY
    assert driver.reset() == (True, "holding") and bench.send([np.ones(3)]) is ChunkStatus.ACCEPTED


def test_a_successor_of_a_silent_publisher_is_refused_without_a_stop(bench):
    moving(bench).run(2.0)
    bench.driver.disown("two publishers of /x: a and b", bench.now)
    assert (bench.driver.state, bench.driver.faults) == (State.HOLDING, 0)
    assert bench.send([np.ones(3)]) is ChunkStatus.ACCEPTED


def test_the_measured_position_is_held_until_a_chunk_is_received(device, limits):
    device.position = np.array([0.3, -0.2, 0.1])
    bench = Bench(device, limits)
    bench.run(1.0)
    assert bench.driver.state is State.HOLDING
    assert np.array(device.written) == pytest.approx(np.tile([0.3, -0.2, 0.1], (100, 1)))


def test_a_chunk_is_followed_along_straight_lines_in_time(bench):
    speed = np.array([0.5, -0.5, 0.2])
    for _ in range(20):
        seconds = (bench.now - START) * 1e-9
        bench.send([speed * (seconds + 0.1 * k) for k in range(1, 16)], age_ms=0)
        bench.run(0.1)
    assert bench.device.position == pytest.approx(speed * 2.0, abs=1e-6)
    bench.assert_motion_within_limits()


@pytest.mark.parametrize("every", [1, 3, 10])
def test_additional_chunks_do_not_delay_the_motion(bench, every):
    """As in a node: a chunk is taken at the beginning of a step."""
    speed, now = np.array([0.5, -0.5, 0.2]), START
    for step in range(150):
        now += 10_000_000
        if step % every == 0:
            ahead = np.array([0.1, 0.2, 0.3, 0.4])
            points = speed * ((now - START) * 1e-9 + ahead)[:, None]
            assert bench.driver.accept_chunk(Chunk(now, ahead, points), now) is ChunkStatus.ACCEPTED
        bench.driver.tick(now)
    assert bench.device.position == pytest.approx(speed * 1.5, abs=2e-3)
    steps = np.diff(np.array(bench.device.written[-60:]), axis=0)
    np.testing.assert_allclose(steps, np.tile(speed * 0.01, (59, 1)), atol=1e-4)


def test_points_already_past_are_skipped(device, limits):
    bench = Bench(device, limits, ramp_up_s=0.0, command_timeout_s=1.0)
    bench.send([[-1, -1, -1], [-1, -1, -1], [0.01, 0.01, 0.01]], age_ms=300)
    bench.run(0.2)
    assert np.array(device.written).min() >= 0
    assert device.position == pytest.approx(np.full(3, 0.01))


def test_the_first_point_of_a_chunk_is_approached_in_a_line(device, limits):
    bench = Bench(device, limits, ramp_up_s=0.0)
    bench.send([[0.2, 0.2, 0.2]], age_ms=0, period_s=0.2)
    bench.run(0.1)
    assert 0.05 < device.position[0] < 0.15
    bench.run(0.1)
    assert device.position == pytest.approx(np.full(3, 0.2), abs=0.03)


def test_after_its_last_point_a_chunk_is_held(device, limits):
    bench = Bench(device, limits, ramp_up_s=0.1)
    bench.send([[0.05, 0.05, 0.05]], age_ms=0)
    bench.run(0.19)
    assert bench.driver.state is State.TRACKING
    assert bench.device.position == pytest.approx(np.full(3, 0.05))


def test_a_newer_chunk_replaces_the_rest_of_the_older_without_a_jump(bench):
    bench.follow([np.ones(3)] * 10, 0.3)
    bench.follow([-np.ones(3)] * 10, 1.5)
    assert bench.device.position == pytest.approx(-np.ones(3))
    bench.assert_motion_within_limits()


def test_a_motion_from_rest_fades_in(device, limits):
    step, smooth = Bench(device, limits, ramp_up_s=0.0), None
    step.send([np.full(3, 0.05)], age_ms=100)
    step.run(0.05)
    abrupt = device.position[0]
    device.position = np.zeros(3)
    smooth = Bench(device, limits, ramp_up_s=0.2, command_timeout_s=0.5)
    smooth.send([np.full(3, 0.05)], age_ms=100)
    smooth.run(0.05)
    assert 0 < device.position[0] < 0.7 * abrupt
    smooth.run(0.19)
    assert device.position == pytest.approx(np.full(3, 0.05), abs=1e-6)


@pytest.mark.parametrize(
    ("times", "points", "age_ms", "status"),
    [
        ([0.1], np.zeros((1, 2)), 0, ChunkStatus.WRONG_SHAPE),
        ([0.1, 0.2], np.zeros((1, 3)), 0, ChunkStatus.WRONG_SHAPE),
        ([], np.zeros((0, 3)), 0, ChunkStatus.WRONG_SHAPE),
        ([0.1], np.array([[0, np.nan, 0]]), 0, ChunkStatus.NOT_FINITE),
        ([np.inf], np.zeros((1, 3)), 0, ChunkStatus.NOT_FINITE),
        ([0.1], np.full((1, 3), 1e308), 0, ChunkStatus.NOT_FINITE),
        ([1e308], np.zeros((1, 3)), 0, ChunkStatus.NOT_FINITE),
        ([0.2, 0.1], np.zeros((2, 3)), 0, ChunkStatus.NOT_ASCENDING),
        ([0.1, 0.1], np.zeros((2, 3)), 0, ChunkStatus.NOT_ASCENDING),
        ([0.1], np.zeros((1, 3)), 201, ChunkStatus.STALE),
        ([0.1], np.zeros((1, 3)), -51, ChunkStatus.FROM_FUTURE),
    ],
)
def test_an_invalid_chunk_is_refused_with_its_reason_and_not_executed(bench, times, points, age_ms, status):
    found = bench.driver.accept_chunk(Chunk(bench.now - age_ms * MS, np.array(times), points), bench.now)
    assert found is status
    assert (bench.driver.counts.refused, bench.driver.refusal) == (1, str(status))
    bench.run(0.1)
    assert bench.driver.state is State.HOLDING
    assert not bench.device.position.any()


def test_a_chunk_older_than_the_current_one_is_refused(bench):
    assert bench.send([np.ones(3)], age_ms=20) is ChunkStatus.ACCEPTED
    assert bench.send([-np.ones(3)], age_ms=120) is ChunkStatus.SUPERSEDED


def test_refused_chunks_do_not_prevent_the_command_timeout(bench):
    moving(bench)
    for _ in range(6):
        bench.send([np.full(3, np.nan)])
        bench.run(0.1)
    assert bench.driver.state is State.HOLDING


def test_a_command_timeout_decelerates_and_holds_with_points_left(bench):
    moving(bench)
    bench.run(1.0)
    assert (bench.driver.state, bench.driver.reason) == (State.HOLDING, "command timeout")
    assert bench.driver.at_rest and bench.driver.counts.held == 1
    bench.assert_motion_within_limits()
    assert np.ptp(bench.device.written[-50:], axis=0) == pytest.approx(np.zeros(3))


def test_a_chunk_is_followed_until_its_observation_is_too_old(bench):
    moving(bench)
    bench.send([np.ones(3)] * 5, age_ms=110)
    bench.run(0.08)
    assert bench.driver.state is State.TRACKING
    bench.run(0.03)
    assert (bench.driver.state, bench.driver.reason) == (State.HOLDING, "command timeout")


def test_the_next_chunk_resumes_after_a_command_timeout(bench):
    moving(bench).run(1.0)
    bench.follow([np.full(3, -0.5)], 1.5)
    assert bench.device.position == pytest.approx(np.full(3, -0.5))
    bench.assert_motion_within_limits()


def test_a_step_of_the_system_clock_does_not_disturb_the_motion(bench):
    wall = START + 10**15
    for k in range(10):
        wall -= 3600 * 1000 * MS if k == 5 else 0  # set back by an hour
        bench.driver.accept_chunk(Chunk(wall - 20 * MS, np.array([0.1]), np.full((1, 3), 0.5)), bench.now, wall)
        bench.run(0.1)
        wall += 100 * MS
    assert bench.driver.state is State.TRACKING
    assert bench.device.position == pytest.approx(np.full(3, 0.5))
    bench.assert_motion_within_limits()


def scaled(limits, share) -> MotionLimits:
    velocity, acceleration = limits.velocity * share, limits.acceleration * share
    return MotionLimits(limits.lower, limits.upper, velocity, acceleration, limits.acceleration)


def test_a_velocity_scaling_set_in_motion_counts_from_the_next_period(bench):
    bench.follow([np.full(3, 5.0)], 0.5)
    before = bench.driver.command.velocity
    assert (before > 0.5 * bench.limits.velocity).all()
    lowered = scaled(bench.limits, 0.1)
    bench.driver.adjust(stepped(velocity_scaling=0.1), lowered)
    speeds = [before]
    for _ in range(10):
        bench.send([np.full(3, 5.0)])
        for _ in range(10):
            bench.run(0.01)
            speeds.append(bench.driver.command.velocity)
    braked = np.maximum(speeds[:-1] - bench.limits.acceleration * 0.01, lowered.velocity)
    assert (speeds[1:] <= braked + 1e-9).all()
    assert speeds[-1] == pytest.approx(lowered.velocity)
    bench.assert_motion_within_limits()
    assert bench.driver.audit.outside == 0


def test_a_shorter_command_timeout_set_in_motion_ends_it_sooner(bench):
    bench.send(np.linspace(0.1, 1.0, 10)[:, None] * np.ones(3))
    bench.driver.adjust(stepped(command_timeout_s=0.05), bench.limits)
    bench.run(0.05)
    assert (bench.driver.state, bench.driver.reason) == (State.HOLDING, "command timeout")


def test_the_emergency_stop_brakes_within_limits_and_latches(bench):
    moving(bench).driver.estop()
    assert bench.send([np.ones(3)]) is ChunkStatus.NOT_READY
    bench.run(0.5)
    assert bench.driver.state is State.STOPPED and bench.driver.at_rest
    bench.assert_motion_within_limits()
    written = len(bench.device.written)
    bench.run(0.5)
    assert bench.device.stops == 1 and len(bench.device.written) == written
    bench.driver.estop(False)
    bench.run(0.1)
    assert bench.driver.state is State.STOPPED


def test_reset_needs_the_emergency_stop_released_and_the_robot_at_rest(bench):
    moving(bench).driver.estop()
    bench.run(0.01)
    assert bench.driver.reset() == (False, "the emergency stop is still asserted")
    bench.driver.estop(False)
    assert bench.driver.reset() == (False, "still braking")
    bench.run(0.5)
    assert bench.driver.reset() == (True, "holding")
    assert bench.driver.reset() == (False, "not stopped")
    bench.follow([np.full(3, 0.2)], 1.0)
    assert bench.device.position == pytest.approx(np.full(3, 0.2))


def test_after_a_reset_motion_starts_at_the_measured_position(bench):
    moving(bench).driver.stop("stop requested")
    bench.run(0.5)
    bench.device.position = np.array([-0.4, 0.1, 0.0])
    assert bench.driver.reset()[0]
    bench.run(0.1)
    assert bench.device.position == pytest.approx([-0.4, 0.1, 0.0])


def test_an_emergency_stop_before_the_start_prevents_motion(device, limits):
    driver = Driver(device, limits, stepped())
    driver.estop()
    driver.start()
    assert driver.state is State.STOPPED


def test_a_device_fault_stops_and_reset_needs_it_cleared(bench):
    moving(bench).device.fault_text = "joint 2 too hot"
    bench.device.clearable = False
    bench.run(0.5)
    assert (bench.driver.state, bench.driver.reason) == (State.STOPPED, "joint 2 too hot")
    assert bench.driver.reset() == (False, "joint 2 too hot")
    bench.device.clearable = True
    assert bench.driver.reset() == (True, "holding")


def test_a_reset_clears_the_device_after_a_fault_that_has_passed(bench):
    """A device may take no targets until it is enabled anew."""
    moving(bench).device.fault_text = "joint 2 too hot"
    bench.run(0.5)
    bench.device.fault_text = None
    bench.run(0.1)
    assert bench.driver.state is State.STOPPED and not bench.device.cleared
    assert bench.driver.reset()[0] and bench.device.cleared == 1


def test_a_reset_without_a_fault_does_not_clear_the_device(bench):
    moving(bench).driver.stop("asked")
    bench.run(0.5)
    assert bench.driver.reset()[0] and not bench.device.cleared


def test_a_device_enabled_by_its_reconnection_is_not_cleared_again(bench):
    moving(bench).device.fault_text = "joint 2 too hot"
    bench.run(0.5)
    bench.device.plugged, bench.device.fault_text = False, None
    bench.run(0.32)
    bench.device.plugged = True
    assert bench.driver.reconnect() and bench.driver.reset()[0] and not bench.device.cleared


def test_a_stop_while_inactive_prevents_motion_until_a_reset(device, limits):
    driver = Driver(device, limits, stepped())
    driver.stop("stop requested")
    driver.start()
    assert (driver.state, driver.reason) == (State.STOPPED, "stop requested")
    assert driver.reset()[0] and driver.state is State.HOLDING


def test_an_emergency_stop_before_the_start_needs_a_reset(device, limits):
    driver = Driver(device, limits, stepped())
    driver.estop(True)
    driver.estop(False)
    driver.start()
    assert driver.state is State.STOPPED and driver.reset()[0]


def test_a_reset_is_refused_far_outside_the_position_limits(bench):
    """The command would start from there."""
    bench.driver.stop("asked")
    bench.run(0.5)
    bench.device.position = np.array([0.0, 2.9, 0.0])
    assert bench.driver.reset()[0]  # it was pushed a little
    bench.driver.stop("asked")
    bench.device.position = np.array([0.0, 3.1, 0.0])
    bench.run(0.1)
    assert bench.driver.reset() == (False, "b: found 3.1, expected -3 to 3")
    assert bench.driver.state is State.LOST


class Hanging:
    """A device whose connection hangs until it is let go."""

    def __init__(self, device) -> None:
        self.reached, self.let_go = threading.Event(), threading.Event()
        self._connect, device.connect = device.connect, self.connect

    def connect(self) -> None:
        self.reached.set()
        assert self.let_go.wait(10.0)
        self._connect()


@pytest.fixture
def reconnecting(bench):
    """A lost device that is being reconnected, by a thread that hangs in it."""
    bench.device.plugged = False
    bench.run(0.32)
    bench.device.plugged = True
    hanging = Hanging(bench.device)
    thread = threading.Thread(target=bench.driver.reconnect)
    thread.start()
    assert hanging.reached.wait(10.0)
    yield bench, hanging, thread
    hanging.let_go.set()
    thread.join(10.0)


def test_a_reset_during_a_reconnection_is_refused_and_has_no_effect(reconnecting):
    bench, hanging, thread = reconnecting
    answers: list[tuple[bool, str]] = []
    asking = threading.Thread(target=lambda: answers.append(bench.driver.reset()))
    asking.start()
    asking.join(10.0)
    assert answers == [(False, "the device is lost: the cable is out")] and not hanging.let_go.is_set()
    hanging.let_go.set()
    thread.join(10.0)
    assert bench.driver.state is State.STOPPED


def test_stopping_does_not_wait_for_a_reconnection(reconnecting, monkeypatch):
    bench, hanging, thread = reconnecting
    monkeypatch.setattr("hand_drivers.driver._RELEASE_S", 0.05)
    ending = threading.Thread(target=bench.driver.end)
    ending.start()
    ending.join(10.0)
    assert not ending.is_alive() and not hanging.let_go.is_set()
    hanging.let_go.set()
    thread.join(10.0)
    assert not bench.device.connected and bench.driver.state is State.INACTIVE


def test_the_cause_of_a_failed_reconnection_is_reported(bench, monkeypatch):
    bench.device.plugged = False
    bench.run(0.32)
    bench.device.plugged = True

    def connect() -> None:
        raise DeviceError("error 31")

    monkeypatch.setattr(bench.device, "connect", connect)
    assert not bench.driver.reconnect() and not bench.driver.reconnect()
    assert bench.driver.reason == "the cable is out; not back: error 31"


def test_a_reconnected_device_is_stopped_and_moves_only_after_a_reset(bench):
    moving(bench).device.plugged = False
    bench.run(0.32)
    assert (bench.driver.state, bench.driver.reason) == (State.LOST, "the cable is out")
    assert bench.driver.counts.lost == 1
    assert not bench.driver.reconnect()
    assert bench.driver.reset()[0] is False
    bench.device.plugged = True
    assert bench.driver.reconnect()
    bench.run(0.1)
    assert bench.driver.state is State.STOPPED
    assert bench.send([np.ones(3)]) is ChunkStatus.NOT_READY
    assert bench.driver.reset()[0]
    assert bench.send([np.ones(3)]) is ChunkStatus.ACCEPTED


def test_missed_readings_within_the_timeout_cause_no_jump(bench):
    moving(bench)
    for _ in range(3):
        bench.device.plugged = False
        bench.run(0.05)
        bench.device.plugged = True
        bench.follow([np.ones(3)], 0.1)
    assert bench.driver.state is State.TRACKING
    assert (bench.driver.counts.missed, bench.driver.counts.lost) == (15, 0)
    bench.assert_motion_within_limits()


def test_the_stop_is_sent_again_after_missed_readings(bench):
    moving(bench).driver.stop("asked")
    bench.run(0.5)
    assert bench.device.stops == 1
    bench.device.plugged = False
    bench.run(0.05)
    bench.device.plugged = True
    bench.run(0.05)
    assert bench.device.stops == 2 and bench.driver.state is State.STOPPED


def test_a_scheduler_stall_does_not_make_the_device_lost(bench):
    moving(bench)
    bench.now += 500 * MS  # no request
    bench.device.plugged = False  # the running request has timed out, and the last measurement is stale
    bench.run(0.05)
    bench.device.plugged = True
    bench.run(0.5)
    assert (bench.driver.state, bench.driver.reason) == (State.HOLDING, "command timeout")
    assert (bench.driver.counts.missed, bench.driver.counts.lost) == (5, 0)
    assert bench.send([np.ones(3)]) is ChunkStatus.ACCEPTED
    bench.assert_motion_within_limits()


def test_after_a_gap_without_commands_motion_starts_from_rest(bench):
    moving(bench)
    bench.now += 60 * MS  # the robot stops at its last target
    reached = bench.device.position.copy()
    bench.run(0.01)
    assert bench.driver.state is State.TRACKING
    assert (bench.device.position - reached <= 15.0 * 0.01**2 + 1e-9).all()
    assert bench.driver.audit.outside == 0


def test_a_driver_that_was_halted_longer_than_its_chunk_does_not_move_on(bench):
    moving(bench)
    bench.now += 1500 * MS
    reached = bench.device.position.copy()
    bench.run(0.5)
    assert (bench.driver.state, bench.driver.reason) == (State.HOLDING, "command timeout")
    assert (bench.device.position == reached).all()


def test_the_last_time_without_a_measurement_is_named_with_its_cause(bench):
    moving(bench).device.plugged = False
    bench.run(0.05)
    bench.device.plugged = True
    bench.run(0.01)
    assert bench.driver.miss == "50 ms: the cable is out"


def test_a_following_error_stops_until_reset_at_the_measured_position(device, limits):
    bench = moving(Bench(device, limits, max_following_error=0.2))
    device.stuck = {1: float(device.position[1])}
    bench.send([np.full(3, 2.0)] * 5)
    bench.run(0.15)
    assert bench.driver.state is State.STOPPED and "b does not follow: 0.2" in bench.driver.reason
    assert bench.driver.fault == bench.driver.reason
    bench.run(0.5)
    bench.assert_motion_within_limits()
    assert bench.driver.reset() == (True, "holding")
    assert bench.driver.command.position[1] == pytest.approx(device.stuck[1])


def test_a_lagging_joint_that_moves_is_no_following_error(device, limits):
    bench = Bench(device, limits, max_following_error=0.1)
    device.lag = 6
    behind = 0.0
    for k in range(1, 8):
        bench.follow([np.full(3, 0.2 * (k + n)) for n in range(5)], 0.1)
        behind = max(behind, float(np.abs(bench.driver.command.position - bench.driver.sample.position).max()))
    assert behind > 0.105 and bench.driver.state is State.TRACKING
    device.stuck = {0: float(bench.driver.sample.position[0])}
    device.lag = 0
    bench.send([np.full(3, -1.9)] * 5)
    bench.run(0.5)
    assert "a does not follow" in bench.driver.reason


def test_a_lasting_error_of_half_the_limit_is_a_following_error(device, limits):
    bench = Bench(device, limits, max_following_error=0.2)
    stuck = float(device.position[1])
    device.stuck = {1: stuck}
    bench.follow([np.full(3, stuck + 0.09)], 1.0)
    for _ in range(3):  # it counts anew each time
        bench.follow([np.full(3, stuck + 0.15)], 0.4)
        bench.follow([np.full(3, stuck)], 0.3)
    assert bench.driver.state is State.TRACKING
    bench.follow([np.full(3, stuck + 0.15)], 0.5)
    bench.run(0.2)
    assert bench.driver.reason == "b does not follow: 0.15 off"


def test_a_hand_stopped_by_an_object_is_no_fault(device, limits):
    bench = Bench(device, limits)
    device.stuck = {0: 0.0}
    bench.follow([np.ones(3)] * 5, 0.6)
    assert bench.driver.state is State.TRACKING and bench.driver.command.position[0] > 0.5


def test_an_exception_of_the_plug_in_is_a_lost_device(bench, monkeypatch):
    monkeypatch.setattr(bench.device, "read", lambda: 1 / 0)
    bench.run(0.02)
    assert bench.driver.state is State.LOST
    assert "ZeroDivisionError" in bench.driver.reason


def test_positions_that_are_not_finite_are_a_lost_device(bench):
    bench.device.position = np.array([0.0, np.nan, 0.0])
    bench.run(0.32)
    assert bench.driver.state is State.LOST
    assert "expected 3 finite numbers" in bench.driver.reason


def test_a_device_that_cannot_be_connected_fails_the_start(device, limits):
    device.plugged = False
    driver = Driver(device, limits, stepped())
    with pytest.raises(DeviceError, match="the cable is out"):
        driver.start()
    assert driver.state is State.INACTIVE


def test_stopping_stops_and_disconnects_the_device(bench):
    moving(bench).driver.end()
    assert bench.device.stops == 1 and not bench.device.connected
    bench.run(0.1)
    assert bench.driver.state is State.INACTIVE


def activated_again(bench: Bench) -> Driver:
    bench.driver.retire()
    bench.run(0.5)
    bench.driver.end()
    bench.driver.start()
    return bench.driver


def test_deactivation_alone_is_no_stop(bench):
    assert activated_again(moving(bench)).state is State.HOLDING
    bench.assert_motion_within_limits()


@pytest.mark.parametrize(
    ("event", "reason"),
    [("stop", "asked"), ("estop", "emergency stop"), ("fault", "hot"), ("unplug", "the cable is out")],
)
@pytest.mark.parametrize("before", [True, False])
def test_a_stop_before_or_during_deactivation_outlasts_it_until_a_reset(bench, event, reason, before):
    moving(bench)
    if not before:
        bench.driver.retire()
    _apply(bench, (event,))
    bench.run(0.5)
    bench.device.plugged, bench.device.fault_text = True, None
    bench.driver.estop(False)
    driver = activated_again(bench)
    assert driver.state is State.STOPPED and reason in driver.reason
    assert bench.send([np.ones(3)] * 5) is ChunkStatus.NOT_READY
    assert driver.reset() == (True, "holding") and activated_again(bench).state is State.HOLDING


def test_a_driver_that_is_being_deactivated_is_not_reset_into_motion(bench):
    moving(bench).driver.retire()
    bench.run(0.5)
    assert bench.driver.at_rest and bench.driver.reset() == (False, "not stopped")


EVENTS = st.one_of(
    st.tuples(st.just("chunk"), st.lists(st.floats(allow_nan=True), min_size=3, max_size=3), st.integers(-60, 600)),
    st.tuples(st.sampled_from(["estop", "release", "reset", "stop", "unplug", "plug", "fault", "clear"])),
)


@given(st.lists(st.tuples(EVENTS, st.integers(0, 30)), max_size=25))
def test_no_sequence_of_events_exceeds_a_limit_or_ends_a_stop(new_device, limits, events):
    bench = Bench(new_device(), limits)
    driver = bench.driver
    for event, periods in events:
        stopped = driver.state in (State.STOPPED, State.LOST)
        at_rest, before = driver.at_rest, bench.device.position.copy()
        _apply(bench, event)
        if stopped and event[0] != "reset":
            assert driver.state in (State.STOPPED, State.LOST)
        bench.run(periods * 0.01)
        if stopped and event[0] != "reset" and at_rest:
            assert (bench.device.position == before).all()
    bench.assert_motion_within_limits()


def _apply(bench: Bench, event: tuple) -> None:
    driver, device = bench.driver, bench.device
    if event[0] == "chunk":
        bench.send([event[1]], age_ms=event[2])
    elif event[0] in ("unplug", "plug"):
        device.plugged = event[0] == "plug"
        driver.reconnect()
    elif event[0] in ("fault", "clear"):
        device.fault_text = "hot" if event[0] == "fault" else None
    else:
        {"estop": driver.estop, "release": lambda: driver.estop(False), "reset": driver.reset}.get(
            event[0], lambda: driver.stop("asked")
        )()


@pytest.mark.parametrize(
    ("what", "value"), [("position", 1e30), *itertools.product(("position", "velocity", "effort"), (np.nan, np.inf))]
)
def test_an_impossible_measurement_is_a_lost_device(bench, monkeypatch, what, value):
    good = bench.device.read()
    monkeypatch.setattr(bench.device, "read", lambda: replace(good, **{what: np.array([0.0, value, 0.0])}))
    bench.run(0.32)
    assert bench.driver.state is State.LOST
    assert f"{value}" in bench.driver.reason
    assert not bench.driver.reset()[0]
