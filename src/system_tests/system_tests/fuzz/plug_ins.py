"""Plug-ins whose frames are parsed in their vendors' libraries: used as by the driver, with a damaging transport.

Each answer takes milliseconds, so there are fewer.
"""

from __future__ import annotations

import io
import logging
import time
from contextlib import ExitStack, redirect_stdout
from importlib.util import find_spec
from random import Random

import numpy as np

import embodiments
from hand_drivers.device import Device, DeviceError, checked
from system_tests.fuzz.outcome import HANG_S, Hang, Outcome, Wrong, bounded, describe
from system_tests.fuzz.plug_wires import Plug, Wire

SHARE = 500  # frames of other targets per response here
FEWEST = 20
ATTEMPTS = 5  # to connect
PATIENCE = 10  # periods without a measurement
FURTHEST = np.finfo(np.float32).max  # largest value of a 32-bit float
LONGEST_S = 1.0  # of one call, under load
SERVO_S = 0.002


def fuzz_plug(plug: Plug, frames: int, seed: int) -> Outcome:
    """Damage one response of the device per SHARE frames, at least twenty."""
    outcome, wanted, began = Outcome(plug.name), max(FEWEST, frames // SHARE), time.time()
    if find_spec(plug.library) is None:
        outcome.skipped, outcome.note = True, f"{plug.library} is not installed"
        return outcome
    wire = Wire(Random(f"{seed} {plug.name}"), plug.seal)
    with ExitStack() as stack:
        stack.enter_context(redirect_stdout(io.StringIO()))  # libraries print
        stack.callback(logging.disable, logging.root.manager.disable)
        logging.disable(logging.CRITICAL)  # and log
        driver = _Asking(plug, plug.set_up(stack, wire), wire, outcome)
        stack.callback(driver.device.disconnect)
        while wire.answers < wanted and not outcome.failed and time.time() - began < wanted * LONGEST_S:
            driver.period()
            time.sleep(SERVO_S)
        wire.on = False
    outcome.frames, outcome.accepted = wire.answers, min(len(driver.stamps), wire.answers)
    outcome.refused["no new measurement"] = outcome.frames - outcome.accepted
    outcome.note = f"1 of {SHARE}, {plug.library}"
    return outcome


class _Asking:
    """The driver's use of the device in every period, with checks."""

    def __init__(self, plug: Plug, device: Device, wire: Wire, outcome: Outcome) -> None:
        self.device, self.stamps = device, set[int]()
        self._wire, self._outcome = wire, outcome
        self._errors = PATIENCE  # the first step is to connect
        robot = embodiments.load(plug.robot, "left")
        endless = np.full(len(device.joints), FURTHEST)
        self._lower, self._upper = (robot.lower, robot.upper) if plug.within else (-endless, endless)

    def connect(self) -> None:
        """Connect, without damage meanwhile; with retries, as responses may be late under load."""
        self._errors, self._wire.on = 0, False
        for attempt in range(ATTEMPTS):
            try:
                self.device.connect()
                break
            except DeviceError as error:
                if attempt == ATTEMPTS - 1:
                    raise Wrong(f"cannot be connected any more: {error}") from error
        self._wire.on = True

    def period(self) -> None:
        """Run one servo period, which may raise only DeviceError; a lost device is reconnected."""
        began = time.monotonic()
        try:
            with bounded(HANG_S):
                if self._errors >= PATIENCE:  # as the driver does with a lost device
                    self.connect()
                    began = time.monotonic()
                self._exchange()
            took_s = time.monotonic() - began
            self._outcome.slowest_ms = max(self._outcome.slowest_ms, 1e3 * took_s)
            if took_s > LONGEST_S:
                raise Wrong(f"a period took {took_s:.2f} s")
            self._errors = 0
        except DeviceError:
            self._errors += 1
        except (Exception, Hang) as error:
            received = " ".join(answer.hex() or "-" for answer in self._wire.last)
            self._outcome.fail(f"{describe(error)} after {received}")

    def _exchange(self) -> None:
        """Read the state and the fault, and write the measured position."""
        sample = checked(self.device.read(), len(self.device.joints))
        if not ((sample.position >= self._lower) & (sample.position <= self._upper)).all():
            raise Wrong(f"measured {sample.position.tolist()}")
        fault = self.device.fault()
        if fault is not None and not (isinstance(fault, str) and fault):
            raise Wrong(f"found the fault {fault!r}")
        self.device.write(sample.position)
        self.stamps.add(sample.stamp_ns)
