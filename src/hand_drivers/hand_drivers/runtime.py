"""A driver at work: the servo loop, the publishing loop and the reconnection, each in a thread of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from queue import SimpleQueue

import numpy as np

from hand_drivers.device import JointSample
from hand_drivers.driver import Driver
from hand_drivers.servo import ServoLoop
from hand_drivers.status import State

_FIRST_RETRY_S, _LONGEST_RETRY_S = 0.2, 5.0
_BRAKING_MARGIN_S = 0.3
_END_S = 2.0  # longest time to wait for a middleware that hangs


class Runtime:
    """Runs a driver as its settings say.

    Publishing has its own thread, so that a slow middleware never delays a command. It starts right after a step, when
    the next one is farthest away: threads of one interpreter wait for each other. Reconnecting has its own thread, so
    that a device that hangs never delays the end of the loop.

    Args:
        driver: The driver.
        publish: Called with the newest sample, once for each.
        on_fault: Called once for each fault of the device, within a period of publishing.
        take: Called with the time at the start of each step, to pass received commands to the driver.
        phase: Phase of the servo loop.
    """

    def __init__(
        self,
        driver: Driver,
        publish: Callable[[JointSample], None],
        on_fault: Callable[[str], None] = lambda fault: None,
        take: Callable[[int], None] = lambda now_ns: None,
        phase: float = 0.0,
    ) -> None:
        self.driver, settings = driver, driver.settings
        self.servo = ServoLoop(
            self._step,
            settings.rate_hz,
            rt_priority=settings.rt_priority,
            cpu_affinity=settings.cpu_affinity,
            phase=phase,
        )
        self._publish, self._on_fault, self._take = publish, on_fault, take
        self._publish_period_ns, self._publish_ns = round(1e9 / settings.publish_rate_hz), 0  # the next time
        self._due: SimpleQueue[None] = SimpleQueue()  # at most one entry: that there is something to publish
        self._published_ns, self._faults = -1, 0
        self._end = threading.Event()
        self._publishing = False
        self._publisher: threading.Thread | None = None
        self._reconnector: threading.Thread | None = None

    def start(self) -> None:
        """Connect the device and start.

        Raises:
            DeviceError: it cannot be connected.
        """
        self.driver.start()
        self._end.clear()
        self._publishing = True
        self._publisher = threading.Thread(target=self._keep_publishing, name="publisher", daemon=True)
        self._reconnector = threading.Thread(target=self._keep_connected, name="reconnector", daemon=True)
        for thread in (self.servo, self._publisher, self._reconnector):
            thread.start()

    def stop(self) -> None:
        """Brake to rest within the limits, stop and disconnect the device; bounded in time, and may be called twice."""
        self._end.set()
        if self.servo.running:
            self.driver.retire()
            self._wait_until_at_rest()
        self.servo.stop()
        if self._publisher is not None:
            self._publishing = False
            self._due.put(None)
            self._publisher.join(_END_S)
            self._publisher = None
        if self._reconnector is not None:
            self._reconnector.join(_FIRST_RETRY_S)
            self._reconnector = None
            self.driver.end()

    def _wait_until_at_rest(self) -> None:
        limits, command = self.driver.limits, self.driver.command
        braking_s = limits.velocity / limits.acceleration
        if command is not None:  # it may be faster than limits that were lowered
            braking_s = braking_s + np.abs(command.velocity) / limits.braking
        deadline = time.monotonic() + float(braking_s.max()) + _BRAKING_MARGIN_S
        while not self.driver.at_rest and time.monotonic() < deadline:
            time.sleep(1.0 / self.driver.settings.rate_hz)

    def _step(self, now_ns: int) -> None:
        try:
            self._take(now_ns)
        except Exception as error:  # the loop must go on, to stop the device
            self.driver.stop(f"no command can be taken: {type(error).__name__}: {error}")
        self.driver.tick(now_ns)
        if now_ns >= self._publish_ns:
            self._publish_ns = max(self._publish_ns + self._publish_period_ns, now_ns)
            if self._due.empty():
                self._due.put(None)

    def _keep_publishing(self) -> None:
        while self._publishing:
            self._due.get()
            try:
                self._publish_newest()
            except Exception as error:  # without its state, nothing may move the robot
                self.driver.stop(f"no state can be published: {type(error).__name__}: {error}")

    def _publish_newest(self) -> None:
        if self.driver.faults != self._faults:
            self._faults = self.driver.faults
            self._on_fault(self.driver.fault)
        sample = self.driver.sample
        # A sample is published once: a device that repeats it, or is lost, has no new state.
        if sample is not None and sample.stamp_ns != self._published_ns:
            self._published_ns = sample.stamp_ns
            self._publish(sample)

    def _keep_connected(self) -> None:
        """Reconnect with back-off for as long as the device is lost."""
        delay = _FIRST_RETRY_S
        while not self._end.wait(delay):
            lost = self.driver.state is State.LOST
            back = not lost or self.driver.reconnect()
            delay = _FIRST_RETRY_S if back else min(2.0 * delay, _LONGEST_RETRY_S)
