"""The driver in its threads: what it publishes, how it ends, how it gets a device back."""

from __future__ import annotations

import time

import numpy as np
import pytest
from stepping import stepped

from contracts.chunk import Chunk
from hand_drivers.device import DeviceError
from hand_drivers.driver import Driver
from hand_drivers.runtime import Runtime
from hand_drivers.status import State
from node_kit.testing import until


@pytest.fixture
def published() -> list:
    return []


@pytest.fixture
def runtime(device, limits, published):
    runtime = Runtime(Driver(device, limits, stepped()), published.append)
    runtime.start()
    yield runtime
    runtime.stop()


def test_every_sample_is_published_once(runtime, published):
    assert until(lambda: len(published) >= 10)
    assert len({sample.stamp_ns for sample in published}) == len(published)


def test_a_repeated_measurement_is_not_published_again(runtime, device, published):
    assert until(lambda: len(published) >= 2)
    device.frozen = True
    steps = runtime.servo.steps
    assert until(lambda: runtime.servo.steps > steps + 10)
    count = len(published)
    assert until(lambda: runtime.servo.steps > steps + 30)
    assert len(published) == count


def test_a_sample_is_not_published_again_while_the_device_is_lost(runtime, device, published):
    assert until(lambda: len(published) >= 2)
    device.plugged = False
    assert until(lambda: runtime.driver.state is State.LOST)
    steps = runtime.servo.steps
    assert until(lambda: runtime.servo.steps > steps + 10)
    count = len(published)
    assert until(lambda: runtime.servo.steps > steps + 30)
    assert len(published) == count


def test_stopping_brakes_to_rest_then_stops_and_disconnects_the_device(runtime, device, limits):
    chunk = time.monotonic_ns()
    runtime.driver.accept_chunk(Chunk(chunk, np.array([0.1, 5.0]), np.array([np.zeros(3), np.full(3, 1.9)])), chunk)
    assert until(lambda: not runtime.driver.at_rest)
    runtime.stop()
    path = np.array([*device.runs[0], device.position])  # what was written, then the stop
    assert (np.abs(np.diff(path, 2, axis=0)) / 0.01**2 <= limits.acceleration + 1e-9).all()
    assert device.stops >= 1 and not device.connected
    assert runtime.driver.state is State.INACTIVE


def test_every_step_begins_by_taking_received_commands(device, limits, published):
    steps: list[int] = []
    runtime = Runtime(Driver(device, limits, stepped()), published.append, take=steps.append)
    runtime.start()
    assert until(lambda: len(steps) >= 10)
    runtime.stop()
    assert runtime.servo.steps == len(steps) and np.all(np.diff(steps) > 0)


def test_a_loop_that_cannot_take_commands_brakes_and_reports_the_reason(device, limits, published):
    broken: list[str] = []

    def take(_now_ns: int) -> None:
        if broken:
            raise ValueError("no such handle")

    runtime = Runtime(Driver(device, limits, stepped()), published.append, take=take)
    runtime.start()
    chunk = time.monotonic_ns()
    runtime.driver.accept_chunk(Chunk(chunk, np.array([0.1, 5.0]), np.array([np.zeros(3), np.full(3, 1.9)])), chunk)
    assert until(lambda: not runtime.driver.at_rest)
    broken.append("yes")
    assert until(lambda: runtime.driver.state is State.STOPPED and runtime.driver.at_rest)
    assert runtime.driver.reason == "no command can be taken: ValueError: no such handle" and runtime.servo.running
    runtime.stop()


def test_a_lost_device_is_reconnected_and_waits_for_a_reset(runtime, device):
    device.plugged = False
    assert until(lambda: runtime.driver.state is State.LOST)
    device.plugged = True
    assert until(lambda: runtime.driver.state is State.STOPPED)
    assert runtime.driver.reset() == (True, "holding")


def test_a_fault_that_returns_right_after_a_reset_is_reported_again(device, limits):
    """Even between two publications, since a reported fault stops the other robots too."""
    faults: list[str] = []
    driver = Driver(device, limits, stepped())
    runtime = Runtime(driver, lambda sample: None, on_fault=faults.append)
    runtime.start()
    device.fault_text = "joint 3 is hot"
    assert until(lambda: faults == ["joint 3 is hot"] and driver.at_rest)
    with driver._wire:  # neither a step nor a publication comes in between
        assert driver.reset()[0]
        device.fault_text = "joint 3 is hot"
        driver.tick(time.monotonic_ns())
    assert until(lambda: len(faults) == 2)
    runtime.stop()


def test_each_device_loss_is_reported_without_a_reset_in_between(device, limits):
    """Another robot may have been reset by then."""
    faults: list[str] = []
    runtime = Runtime(Driver(device, limits, stepped()), lambda sample: None, on_fault=faults.append)
    runtime.start()
    for count in (1, 2):
        device.plugged = False
        assert until(lambda count=count: faults == ["the cable is out"] * count)
        device.plugged = True
        assert until(lambda: runtime.driver.state is State.STOPPED)
    runtime.stop()


def test_states_that_cannot_be_published_stop_the_robot(device, limits):
    def publish(_sample: object) -> None:
        raise ValueError("no such handle")

    runtime = Runtime(Driver(device, limits, stepped()), publish)
    runtime.start()
    assert until(lambda: runtime.driver.state is State.STOPPED)
    assert runtime.driver.reason == "no state can be published: ValueError: no such handle"
    runtime.stop()


def test_a_device_that_does_not_connect_leaves_the_servo_loop_stopped(device, limits, published):
    device.plugged = False
    runtime = Runtime(Driver(device, limits, stepped()), published.append)
    with pytest.raises(DeviceError):
        runtime.start()
    runtime.stop()
    assert not runtime.servo.running


def test_the_runtime_can_be_started_again_after_a_stop(runtime, device, published):
    runtime.stop()
    runtime.start()
    before = len(published)
    assert until(lambda: len(published) > before)
    assert runtime.driver.state is State.HOLDING
