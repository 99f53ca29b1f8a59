"""UFACTORY's xArm gripper, behind the control box of its arm; see docs/reference/devices/xarm7.md."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np
from pydantic import Field

from hand_drivers.device import DeviceError, DeviceSettings, read_options
from hand_drivers.devices.xarm_box import CONTROL_PORT, PORT, open_box, place
from hand_drivers.polled_device import Answer, BusDevice, BusOptions

PULSES_PER_M = 2 / 1e-4  # a pulse is 0.1 mm between the fingers; a finger moves half of that
HAS_FAULT = 102  # the SDK's code if the gripper reports an error
SLACK = 0.002  # m; distance from the measured position to the target of a stopped finger, which holds an object
STEP = 0.5  # pulses; smaller changes are not sent


class XArmGripperOptions(BusOptions):
    """Options of an xArm gripper."""

    port: int = PORT
    speed: int = Field(default=5000, ge=1, le=5000, description="speed of the gripper's motor, r/min")
    answer_s: float = Field(default=0.1, gt=0, le=2, description="longest wait for a response, s")
    max_age_s: float = Field(
        default=0.15, gt=0, le=2, description="age from which a measurement is refused, s: a miss in each period"
    )
    connect_s: float = Field(default=5.0, gt=0, le=60, description="longest time to connect and enable, s")


def make(settings: DeviceSettings) -> BusDevice:
    """Make the device (plug-in); the box forwards requests to the gripper over RS-485.

    Raises:
        DeviceError: For wrong options or joints.
    """
    options, joints = read_options(XArmGripperOptions, settings), settings.embodiment.joints
    if len(joints) != 1:
        raise DeviceError(f"xarm_gripper: found {len(joints)} joints, expected 1")
    name = f"xarm_gripper {place(settings.address, options.port)}"
    wire = lambda: XArmGripperWire(settings.address, options)  # noqa: E731
    return BusDevice(name, joints, wire, options, SLACK, port=CONTROL_PORT)


class XArmGripperWire:
    """A connection to the control box for its gripper alone; positions in m of one finger."""

    def __init__(self, address: str, options: XArmGripperOptions) -> None:
        self._address, self._options = address, options
        self._box: Any = None
        self._error = 0
        self._sent: float | None = None
        self._last: Answer | None = None

    def open(self) -> None:
        """Connect and enable the gripper."""
        self._box = open_box(self._address, self._options.port, self._options.answer_s, self._options.connect_s)
        self._enable()

    def exchange(self, target: np.ndarray | None) -> Answer:
        """Send the target, and read position and error."""
        if target is not None and not self._error:
            self._send(PULSES_PER_M * float(target[0]))
        answer = self._box.get_gripper_position()
        code, pulses = answer if isinstance(answer, tuple) else (answer, None)  # a code alone if there is an error
        stamp_ns = time.time_ns()
        self._done("position", code)
        fault = f"gripper error {self._error}" if self._error else None
        if pulses is not None:
            self._last = Answer(stamp_ns, np.array([pulses / PULSES_PER_M]), fault=fault)
        if self._last is None or (pulses is None and fault is None):  # only with an error the position may be missing
            raise DeviceError(fault or "no position")
        return replace(self._last, fault=fault)

    def clear(self) -> None:
        """Clear the error and enable the gripper."""
        self._box.clean_gripper_error()
        self._enable()
        self._error = 0

    def close(self) -> None:
        """Close the connection; the gripper holds."""
        if self._box is not None:
            self._box.disconnect()

    def _enable(self) -> None:
        box = self._box
        self._done("enabling", box.set_gripper_enable(True))
        self._done("position mode", box.set_gripper_mode(0))
        self._done("speed", box.set_gripper_speed(self._options.speed))

    def _send(self, pulses: float) -> None:
        if self._sent is None or abs(pulses - self._sent) >= STEP:
            # by default the SDK waits until the arm is at rest
            self._done("target", self._box.set_gripper_position(round(pulses), wait=False, wait_motion=False))
            self._sent = pulses

    def _done(self, what: str, code: int) -> None:
        if code == HAS_FAULT:
            self._error = int(self._box.get_gripper_err_code()[1]) or self._error
        elif code not in (0, 1, 2):  # 1, 2: an error or a warning of the arm, which the arm's driver reports
            raise DeviceError(f"{what}: code {code}")
