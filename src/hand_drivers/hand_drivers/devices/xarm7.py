"""UFACTORY xArm7 through `xarm-python-sdk`, streaming joint targets in servo mode 1.

See docs/reference/devices/xarm7.md.
"""

from __future__ import annotations

import contextlib
import time
from typing import Any

import numpy as np
from pydantic import Field

from hand_drivers.device import (
    DeviceError,
    DeviceSettings,
    JointSample,
    Options,
    check_targets,
    read_options,
    targets_to_hold,
)
from hand_drivers.devices.xarm_box import CONTROL_PORT, PORT, open_box, place
from hand_drivers.devices.xarm_reports import READY as READY_STATES
from hand_drivers.devices.xarm_reports import Report, Reports
from hand_drivers.ownership import Ownership

JOINTS = 7
POSITION_MODE, SERVO_MODE = 0, 1
MODES = {0: "position", 2: "manual", 3: "reserved", 4: "joint velocity", 5: "Cartesian velocity"}
READY, STOP = 0, 4
PATIENCE_S = 0.5  # response time while connecting, when nothing moves
FAULT_EVERY = 5  # readings between two checks of mode and errors; after an error bit, of errors at once
FINE, IN_ERROR, NOT_READY = (0, 2), 1, 9  # codes of the SDK: done, with a warning; error; targets are refused
REFUSALS = 25  # consecutive targets refused without an error, after which the box counts as stopped
ERRORS = {
    1: "emergency stop pressed",
    2: "emergency stop of the control box",
    10: "servo error",
    19: "no response of the end module",
    22: "self-collision",
    23: "joint limit",
    24: "joint speed limit",
    28: "no response of the end module",
    31: "collision (current)",
    35: "safety boundary",
}
API_ERRORS = {
    -1: "not connected",
    -2: "not ready",
    3: "no response in time",
    8: "sending failed",
    9: "not ready to move",
}


class XArmOptions(Options):
    """Options of an xArm7."""

    port: int = PORT
    answer_s: float = Field(default=0.04, gt=0, le=2, description="longest wait for a response, s")
    connect_s: float = Field(default=5.0, gt=0, le=60, description="longest time to connect and enable, s")
    sensitivity: int | None = Field(default=None, ge=0, le=5, description="collision sensitivity; none: unchanged")


class XArm7Device:
    """One arm. Every call is one request to the control box, which responds within a millisecond on a good network."""

    def __init__(self, settings: DeviceSettings) -> None:
        self.joints = settings.embodiment.joints
        if len(self.joints) != JOINTS:
            raise DeviceError(f"xarm7: found {len(self.joints)} joints, expected {JOINTS}")
        self._options, self._priority = read_options(XArmOptions, settings), settings.rt_priority
        self._address, self._name = settings.address, f"xarm7 {place(settings.address, self._options.port)}"
        self._ownership = Ownership(self._name, port=CONTROL_PORT)
        self._arm: Any = None
        self._reports: Reports | None = None
        self._wrong = ""  # mode or state in force, where targets would be ignored
        self._code = self._readings = self._refused = 0
        self._target: np.ndarray | None = None
        self._again: JointSample | None = None  # the sample that the next reading repeats

    def connect(self) -> None:
        """Open the connection, enable the motors and set servo mode, without motion.

        A box with an error is enabled when that is cleared. One that keeps another mode has a fault.

        Raises:
            DeviceError: If that fails, or another driver has the arm.
        """
        self.disconnect()
        self._ownership.take()
        try:
            patience_s = max(PATIENCE_S, self._options.answer_s)
            where = (self._address, self._options.port)
            self._arm = open_box(*where, patience_s, self._options.connect_s, self._priority)
        except DeviceError as error:
            self._ownership.release()
            raise DeviceError(f"{self._name}: {error}") from error
        self._readings, self._refused, self._target, self._wrong = 0, 0, None, ""
        try:
            self._reports = Reports(self._name, self._address, patience_s)
            self._read_errors()
            if not self._code:
                self._enable()
            self._arm.set_timeout([self._options.answer_s])
        except DeviceError:
            self.disconnect()
            raise

    def read(self) -> JointSample:
        """Measured position, velocity and effort (Nm), stamped at the time of the response.

        The box is read in every second period, unless the last reading failed: each target is a request already, and
        states are published at a lower rate.
        """
        repeated, self._again = self._again, None
        if repeated is not None:
            return repeated
        code, rows = self._running().get_joint_states(is_radian=True, num=3)
        stamp_ns = time.time_ns()
        self._check("joint states", code, (*FINE, IN_ERROR, NOT_READY))  # a stopped arm has a valid position
        due = self._readings % FAULT_EVERY == 0
        if due:
            self._wrong = wrong_report(self._pushed().newest())
        if due or code == IN_ERROR:  # after the report: an error also stops the box
            self._read_errors()
        self._readings += 1
        position, velocity, effort = (np.array(row[:JOINTS], dtype=float) for row in rows)
        self._again = JointSample(stamp_ns, position, velocity, effort)
        return self._again

    def write(self, position: np.ndarray) -> None:
        """Send targets (n,), which the box executes at once.

        Raises:
            DeviceError: For targets that are not finite, or a lost box.
        """
        check_targets(self._name, position)  # the SDK does not check it
        if self.fault():
            return  # the box ignores targets until the error is cleared, and must not have an old one then
        self._target = np.array(position, dtype=float)
        code = self._running().set_servo_angle_j(position.tolist(), is_radian=True)
        self._refused = self._refused + 1 if code == NOT_READY else 0
        if code in (IN_ERROR, NOT_READY):
            self._read_errors()
        self._check("servo targets", code, (*FINE, IN_ERROR, NOT_READY))

    def stop(self) -> None:
        """Hold at the last target, or near the measured position if the arm is kept from reaching it."""
        if self._target is not None:
            self.write(targets_to_hold(self._target, self.read().position))

    def fault(self) -> str | None:
        """The control box's error, or that it refuses or ignores targets without one."""
        if self._code:
            return f"error {self._code}: {ERRORS.get(self._code, 'see the manual')}"
        if self._wrong:
            return self._wrong
        return "the box was stopped: not ready to move" if self._refused >= REFUSALS else None

    def clear_fault(self) -> None:
        """Clear the errors, leave another mode and enable the motors; what the box cannot clear persists."""
        arm = self._running()
        arm.clean_error()
        arm.clean_warn()
        self._read_errors()
        if self._code:
            return
        if self._wrong:  # manual mode is left through position mode only
            self._start_mode(POSITION_MODE)
        self._enable()

    def disconnect(self) -> None:
        """Stop the box's motion and close the connection; the motors hold."""
        self._again = None
        if self._reports is not None:
            self._reports.close()
            self._reports = None
        if self._arm is not None:
            arm, self._arm = self._arm, None
            with contextlib.suppress(DeviceError):
                if arm.connected:
                    arm.set_state(STOP)
            arm.disconnect()
        self._ownership.release()

    def _enable(self) -> None:
        arm = self._running()
        self._check("enabling", arm.motion_enable(True), FINE)
        if self._options.sensitivity is not None:
            self._check("collision sensitivity", arm.set_collision_sensitivity(self._options.sensitivity), FINE)
        self._start_mode(SERVO_MODE)
        self._refused = 0
        self._wrong = wrong_report(
            self._pushed().wait_for(SERVO_MODE, PATIENCE_S)
        )  # it acknowledges a mode that it does not enter

    def _start_mode(self, mode: int) -> None:
        arm = self._running()
        self._check(f"mode {mode}", arm.set_mode(mode), FINE)
        self._check("starting", arm.set_state(READY), FINE)

    def _read_errors(self) -> None:
        code, found = self._running().get_err_warn_code()
        self._check("errors", code, (*FINE, IN_ERROR, NOT_READY))
        self._code = int(found[0])

    def _check(self, what: str, code: int, fine: tuple[int, ...]) -> None:
        if code not in fine:
            raise DeviceError(f"{self._name}: {what}: {API_ERRORS.get(code, f'code {code}')}")

    def _running(self) -> Any:
        if self._arm is None or not self._arm.connected:
            raise DeviceError(f"{self._name}: not connected")
        return self._arm

    def _pushed(self) -> Reports:
        if self._reports is None:
            raise DeviceError(f"{self._name}: not connected")
        return self._reports


def wrong_report(report: Report | None) -> str:
    """Why the box would not execute targets, by a report; empty if it would."""
    if report is None:
        return "no report, so its mode is unknown"
    if report.mode != SERVO_MODE:
        name = MODES.get(report.mode, "see the manual")
        return f"the box is in mode {report.mode} ({name}), expected {SERVO_MODE} (servo)"
    return "" if report.state in READY_STATES else "the box was stopped: not ready to move"
