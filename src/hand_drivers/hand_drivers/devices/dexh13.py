"""Paxini DexH13 through the vendor's `pxdex`, on RS-485; see docs/reference/devices/dexh13.md."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from pydantic import Field

from embodiments.registry import Embodiment
from hand_drivers.device import DeviceError, DeviceSettings, read_options
from hand_drivers.polled_device import Answer, BusDevice, BusOptions

FINGERS = ("index", "middle", "ring", "thumb")  # the vendor's order, four joints each
JOINTS = tuple(f"{finger}_joint_{number}" for finger in FINGERS for number in range(4))
LOWER = np.radians([-20, 0, 0, 0] * len(FINGERS))  # the vendor's range, rad, in the vendor's order
UPPER = np.radians([20, 90, 90, 90] * len(FINGERS))
LEFT = 1  # the vendor's code of a left hand
NO_CAMERA = "none"
FAULTS_EVERY = 10  # exchanges between two requests for faults; after a refused target, at once


class DexH13Options(BusOptions):
    """Options of a DexH13."""

    initialise: bool = Field(
        default=False, description="calibrate the zero of motors that are not enabled: the fingers move"
    )


def make(settings: DeviceSettings) -> BusDevice:
    """Make the device (plug-in).

    Raises:
        DeviceError: For wrong options or joints.
    """
    options, robot = read_options(DexH13Options, settings), settings.embodiment
    if sorted(robot.joints) != sorted(JOINTS):
        raise DeviceError(f"dexh13: found joints {list(robot.joints)}, expected {list(JOINTS)}")
    address, name = settings.address, f"dexh13 {settings.address}"
    wire = lambda: DexH13Wire(address, settings.side, options, robot)  # noqa: E731
    return BusDevice(name, robot.joints, wire, options, line=address)


class DexH13Wire:
    """One connection; the vendor's units are rad, too, only the order differs."""

    def __init__(self, address: str, side: str, options: DexH13Options, robot: Embodiment) -> None:
        self._address, self._side, self._options = address, side, options
        self._order = [robot.joints.index(name) for name in JOINTS]
        self._hand = VendorHand()
        self._exchanges = 0
        self._fault: str | None = None

    def open(self) -> None:
        """Connect and enable the motors; those of a hand with a fault only when it is cleared."""
        kind = self._hand.open(self._address)
        if kind != self._side:
            raise DeviceError(f"found a {kind} hand, expected a {self._side} one")
        if self._hand.fault() is None:
            self._hand.enable(self._options.initialise)

    def exchange(self, target: np.ndarray | None) -> Answer:
        """Send the target and read positions and, every FAULTS_EVERY exchanges, faults."""
        taken = target is None or self._hand.send(target[self._order])
        began = time.monotonic()
        measured = self._hand.read()
        stamp_ns, took_s = time.time_ns(), time.monotonic() - began
        if took_s > self._options.answer_s:
            raise DeviceError(f"a response took {took_s:.2f} s, expected at most {self._options.answer_s:g} s")
        if not taken or self._exchanges % FAULTS_EVERY == 0:
            self._fault = self._hand.fault()
        self._exchanges += 1
        if not taken and self._fault is None:
            raise DeviceError("targets are refused, without a fault")
        position = np.empty(len(JOINTS))
        position[self._order] = measured
        return Answer(stamp_ns, position, fault=self._fault)

    def clear(self) -> None:
        """Clear the fault, enable the motors without motion, and request the faults in the next exchange."""
        self._exchanges = 0
        self._hand.clear()
        if self._hand.fault() is None:
            self._hand.enable(initialise=False)

    def close(self) -> None:
        """Close the connection; the motors stay enabled and hold their last target."""
        self._hand.close()


class VendorHand:
    """The vendor's library. Positions are (16,), rad, in the order of JOINTS."""

    def __init__(self) -> None:
        self._control: Any = None
        self._position_mode: Any = None

    def open(self, port: str) -> str:
        """Open the connection.

        Returns:
            "left" or "right".

        Raises:
            DeviceError: If that fails. Exceptions of the library pass through.
        """
        library = import_library()
        if not port.startswith("/"):
            raise DeviceError(f"address: found {port!r}, expected a serial port as /dev/ttyUSB0")
        control = library.DexH13Control()
        kind = control.activeHandy(port, NO_CAMERA)
        if not control.isConnectHandy():
            raise DeviceError(f"no response of a hand (the library returned {kind!r})")
        self._control, self._position_mode = control, library.ControlMode.POSITION_CONTROL_MODE
        return "left" if kind == LEFT else "right"

    def enable(self, initialise: bool) -> None:
        """Enable position control at the measured position, unless it is enabled.

        Raises:
            DeviceError: If that fails.
        """
        control = self._control
        if control.isMotorEnabled():
            if control.getMotorControlMode() == self._position_mode:
                return
            control.disableMotor()
        if initialise and control.initMotorPosition() != 1:
            raise DeviceError("the calibration of the motors' zero failed")
        here = self.read()
        mode_set = control.setMotorControlMode(self._position_mode)
        self.send(here)  # enabled motors move to their last target, which may be old
        enabled = mode_set and control.enableMotor()
        self.send(here)  # for a hand that accepts targets only when enabled
        if not (enabled and control.isMotorEnabled()):
            raise DeviceError("the motors cannot be enabled; after power-up they need option 'initialise' once")
        mode = control.getMotorControlMode()
        if mode != self._position_mode:
            raise DeviceError(f"found the motors in {mode}, expected {self._position_mode}, which they acknowledged")

    def send(self, position: np.ndarray) -> bool:
        """Send targets, clipped to the vendor's range; returns whether the hand accepts them."""
        return bool(self._control.setJointPositionsRadian(np.clip(position, LOWER, UPPER).tolist()))

    def read(self) -> np.ndarray:
        """Measured positions.

        Raises:
            DeviceError: If they are incomplete or not finite.
        """
        found = np.array(self._control.getJointPositionsRadian(), dtype=float)
        if found.shape != (len(JOINTS),) or not np.isfinite(found).all():
            raise DeviceError(f"found positions {found.tolist()}, expected {len(JOINTS)} finite numbers")
        return found

    def fault(self) -> str | None:
        """The motors' faults in words, None without a fault."""
        return in_words(self._control.getFaultCode()) if self._control.isFault() else None

    def clear(self) -> None:
        """Clear the faults; those whose cause persists occur again."""
        self._control.clearFaultCode()

    def close(self) -> None:
        """Close the connection if it is open."""
        if self._control is not None:
            self._control.disconnectHandy()


def import_library() -> Any:
    """The vendor's module.

    Raises:
        DeviceError: If it is not installed.
    """
    try:
        from pxdex import dh13
    except ImportError as error:
        raise DeviceError(
            f"Paxini's library cannot be imported ({error}); install DexHandSDK and its wheel 'pxdex' for this Python, "
            "which Paxini delivers with the hand, see docs/reference/devices/dexh13.md"
        ) from error
    return dh13


def in_words(errors: Any) -> str:
    """A text for the vendor's list of faults."""
    found = []
    for error in errors:
        name = getattr(error.error_code, "name", f"error {error.error_code}").lower().replace("_", " ")
        found.append(f"{error.finger_name} motor {error.motor_ID}: {name}")
    return "; ".join(found) or "a fault without a code"
