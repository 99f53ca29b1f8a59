"""The timing of a servo loop alone: without graph and middleware, with a device that responds at once."""

from __future__ import annotations

import gc
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from queue import Empty, SimpleQueue

import numpy as np

import embodiments
from contracts.chunk import Chunk
from contracts.latency import LatencyTrace
from hand_drivers import settings
from hand_drivers.device import DeviceSettings
from hand_drivers.driver import Driver
from hand_drivers.guard import MotionState, guard
from hand_drivers.runtime import Runtime
from hand_drivers.settings import DriverSettings
from node_kit.scheduling import HELPER_PRIORITY, schedule_in_real_time
from system_tests.load.timing import GUARD_JOINTS, Loop

CHUNK_S = 0.1
TIMES = CHUNK_S * np.arange(1, 17)
GUARD_CALLS = 5000
SIXTEEN_JOINTS = "dexh13"


def idle_loop(part: str, embodiment: str, rate_hz: float, seconds: float, rt_priority: int) -> Loop:
    """Measure the loop of one driver of the loopback device, with chunks at 10 Hz, scheduled as in a driver node."""
    helper = HELPER_PRIORITY if rt_priority else 0
    with ThreadPoolExecutor(1, initializer=schedule_in_real_time, initargs=(helper, True)) as node:
        return node.submit(_idle_loop, part, embodiment, rate_hz, seconds, rt_priority).result()


def _idle_loop(part: str, embodiment: str, rate_hz: float, seconds: float, rt_priority: int) -> Loop:
    robot = settings.load_robot(embodiment, "left", part)
    device = settings.make_device("loopback", DeviceSettings(robot, "left", part))
    asked = DriverSettings(part=part, rate_hz=rate_hz, rt_priority=rt_priority)
    driver = Driver(device, settings.motion_limits(robot), asked)
    waiting: SimpleQueue[tuple[int, np.ndarray]] = SimpleQueue()
    runtime = Runtime(driver, lambda sample: None, take=lambda now_ns: _take(driver, waiting, now_ns))
    runtime.start()
    gc.freeze()
    try:
        _follow(driver, waiting, seconds)
        servo = runtime.servo
        return Loop(
            rate_hz,
            servo.rate_hz(),
            _quantiles(servo.jitter),
            _quantiles(servo.work),
            _quantiles(driver.trace.whole),
            _quantiles(driver.trace.overhead),
            tuple(servo.histogram),
            servo.overruns,
            round(servo.longest_ms, 3),
        )
    finally:
        runtime.stop()
        gc.unfreeze()


def _follow(driver: Driver, waiting: SimpleQueue, seconds: float) -> None:
    """Send chunks that move every joint by a tenth of its range."""
    limits, began = driver.limits, time.monotonic()
    home, sway = driver.command.position, 0.1 * (limits.upper - limits.lower)
    while (elapsed := time.monotonic() - began) < seconds:
        waiting.put((time.monotonic_ns(), home + sway * np.sin(elapsed + TIMES)[:, None]))
        time.sleep(CHUNK_S)


def _take(driver: Driver, waiting: SimpleQueue, now_ns: int) -> None:
    """Take a chunk at the start of a step, as a driver node does."""
    with suppress(Empty):
        arrived_ns, points = waiting.get_nowait()
        driver.trace.arrived(time.monotonic_ns() - arrived_ns)
        driver.accept_chunk(Chunk(arrived_ns, TIMES, points), now_ns)


def guard_us(rt_priority: int) -> dict[str, float]:
    """Time of the motion guard, p50, p99 and max in us, for GUARD_JOINTS joints with random targets.

    It runs in a thread with the real-time priority of a servo loop.
    """
    with ThreadPoolExecutor(1, initializer=schedule_in_real_time, initargs=(rt_priority,)) as servo:
        return servo.submit(_guard_us).result()


def _guard_us() -> dict[str, float]:
    robot, rng, dt = embodiments.load(SIXTEEN_JOINTS), np.random.default_rng(0), 0.01
    limits = settings.motion_limits(robot)
    assert limits.lower.size == GUARD_JOINTS
    targets = rng.uniform(limits.lower, limits.upper, (GUARD_CALLS, GUARD_JOINTS))
    state, velocity = MotionState.at_rest(targets[0]), np.zeros(GUARD_JOINTS)
    trace = LatencyTrace()
    for target in np.repeat(targets[::50], 50, axis=0):
        began = time.perf_counter_ns()
        state, _ = guard(target, state, limits, dt, velocity)
        trace.add((time.perf_counter_ns() - began) * 1e-6)
    return {name: round(1e3 * value, 1) for name, value in trace.summary().items() if name != "count"}


def _quantiles(trace: LatencyTrace) -> dict[str, float]:
    return {name: round(value, 3) for name, value in trace.summary().items() if name != "count"}
