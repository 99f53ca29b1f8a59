"""UFACTORY's xArm gripper, behind the control box of its arm; see docs/devices/xarm7.md."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from pydantic import Field

from hand_drivers.bus import Bus
from hand_drivers.device import DeviceError, DeviceSettings, JointSample
from hand_drivers.devices.options import Options, read_options
from hand_drivers.devices.xarm_box import open_box

PULSES_PER_M = 2 / 1e-4  # the box counts tenths of a millimetre between the fingers; a finger moves half of that
HAS_FAULT = 102  # the SDK's answer when the gripper reports an error
STEP = 0.5  # pulses; what moves less is not sent again


class XArmGripperOptions(Options):
    """Options of an xArm gripper."""

    speed: int = Field(5000, ge=1, le=5000, description="the gripper's own speed, r/min of its motor")
    answer_s: float = Field(0.2, gt=0, le=2, description="longest time to wait for one answer, s")
    max_age_s: float = Field(0.5, gt=0, le=2, description="an older measurement is none, s")
    connect_s: float = Field(5.0, gt=0, le=60, description="longest time to connect and enable, s")


class XArmGripperDevice:
    """One gripper; the box passes questions on to it by RS-485, so they are asked in a thread of their own."""

    def __init__(self, settings: DeviceSettings) -> None:
        self.joints = settings.embodiment.joints
        if len(self.joints) != 1:
            raise DeviceError(f"xarm_gripper: found {len(self.joints)} joints, expected 1")
        self._name, self._address = f"xarm_gripper {settings.address}", settings.address
        self._options = read_options(XArmGripperOptions, settings)
        self._bus: Bus | None = None
        self._box: Any = None

    def connect(self) -> None:
        """Open the connection, enable the gripper, wait for a first answer. Raises DeviceError."""
        self.disconnect()
        self._error, self._sent, self._then = 0, None, None
        self._clear = False
        self._box = open_box(self._address, self._name, self._options.answer_s, self._options.connect_s)
        self._bus = Bus(self._name, self._exchange, self._options.max_age_s)
        try:
            self._enable()
            self._bus.start(self._options.connect_s)
        except DeviceError:
            self.disconnect()
            raise

    def read(self) -> JointSample:
        """Newest measured state, m and m/s; effort is 0, the gripper reports none."""
        return self._running().read()

    def write(self, position: np.ndarray) -> None:
        """Target for the next exchange."""
        self._running().write(position)

    def stop(self) -> None:
        """Hold where the fingers are."""
        self.write(self.read().position)

    def fault(self) -> str | None:
        """The gripper's error."""
        return f"gripper error {self._error}" if self._error else None

    def clear_fault(self) -> None:
        """Clear the error in the next exchange, and wait for that."""
        self._running()
        self._clear = True
        deadline = time.monotonic() + 5 * self._options.answer_s
        while self._clear and time.monotonic() < deadline:
            time.sleep(0.005)

    def disconnect(self) -> None:
        """Stop asking and close the connection; the gripper keeps its grip."""
        if self._bus is not None:
            self._bus.stop()
        if self._box is not None:
            self._box.disconnect()
        self._bus = self._box = None

    def _running(self) -> Bus:
        if self._bus is None:
            raise DeviceError(f"{self._name}: not connected")
        return self._bus

    def _enable(self) -> None:
        box = self._box
        self._done("enabling", box.set_gripper_enable(True))
        self._done("position mode", box.set_gripper_mode(0))
        self._done("speed", box.set_gripper_speed(self._options.speed))

    def _exchange(self, target: np.ndarray | None) -> JointSample:
        """In the bus's thread: target out, position and error in."""
        if self._clear:
            self._box.clean_gripper_error()
            self._enable()
            self._error, self._clear = 0, False
        if target is not None and not self._error:
            self._send(PULSES_PER_M * float(target[0]))
        answer = self._box.get_gripper_position()
        code, pulses = answer if isinstance(answer, tuple) else (answer, None)  # a bare code where it has an error
        stamp_ns = time.time_ns()
        self._done("position", code)
        if pulses is None:  # it says where it is only while it is well
            if self._then is None:
                raise DeviceError(self.fault() or "no position")
            return JointSample(*self._then, np.zeros(1), np.zeros(1))
        position, velocity = np.array([pulses / PULSES_PER_M]), np.zeros(1)
        if self._then is not None:
            velocity = (position - self._then[1]) / max(1e-9 * (stamp_ns - self._then[0]), 1e-3)
        self._then = (stamp_ns, position)
        return JointSample(stamp_ns, position, velocity, np.zeros(1))

    def _send(self, pulses: float) -> None:
        if self._sent is None or abs(pulses - self._sent) >= STEP:
            # the SDK would wait until the arm stands still
            self._done("target", self._box.set_gripper_position(round(pulses), wait=False, wait_motion=False))
            self._sent = pulses

    def _done(self, what: str, code: int) -> None:
        if code == HAS_FAULT:
            self._error = int(self._box.get_gripper_err_code()[1]) or self._error
        elif code not in (0, 1, 2):  # 1, 2: the arm has an error or a warning; its own driver says so
            raise DeviceError(f"{what}: code {code}")
