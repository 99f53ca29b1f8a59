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
LEFT = 1  # what the vendor calls a left hand
NO_CAMERA = "none"
FAULTS_EVERY = 10  # exchanges between two looks for faults; a refused target looks at once


class DexH13Options(BusOptions):
    """Options of a DexH13."""

    initialise: bool = Field(
        False, description="let motors that are not enabled find their zero first: the fingers move"
    )


def make(settings: DeviceSettings) -> BusDevice:
    """The plug-in. Raises DeviceError for wrong options or joints."""
    options, robot = read_options(DexH13Options, settings), settings.embodiment
    if sorted(robot.joints) != sorted(JOINTS):
        raise DeviceError(f"dexh13: found joints {list(robot.joints)}, expected {list(JOINTS)}")
    name = f"dexh13 {settings.address}"
    return BusDevice(name, robot.joints, lambda: DexH13Wire(settings.address, settings.side, options, robot), options)


class DexH13Wire:
    """One connection; rad on both sides of it, only the order differs."""

    def __init__(self, address: str, side: str, options: DexH13Options, robot: Embodiment) -> None:
        self._address, self._side, self._options = address, side, options
        self._order = [robot.joints.index(name) for name in JOINTS]
        self._hand = VendorHand()
        self._asked = 0
        self._fault: str | None = None

    def open(self) -> None:
        """Connect and enable. A hand that is enabled stays so; one with a fault is enabled once that is cleared."""
        kind = self._hand.open(self._address)
        if kind != self._side:
            raise DeviceError(f"found a {kind} hand, expected a {self._side} one")
        if self._hand.fault() is None:
            self._hand.enable(self._options.initialise)

    def exchange(self, target: np.ndarray | None) -> Answer:
        """Target out, position in, and now and then a look for faults."""
        taken = target is None or self._hand.send(target[self._order])
        began = time.monotonic()
        measured = self._hand.read()
        stamp_ns, took_s = time.time_ns(), time.monotonic() - began
        if took_s > self._options.answer_s:
            raise DeviceError(f"an answer took {took_s:.2f} s, expected at most {self._options.answer_s:g} s")
        if not taken or self._asked % FAULTS_EVERY == 0:
            self._fault = self._hand.fault()
        self._asked += 1
        if not taken and self._fault is None:
            raise DeviceError("targets are refused, and no fault is told")
        position = np.empty(len(JOINTS))
        position[self._order] = measured
        return Answer(stamp_ns, position, fault=self._fault)

    def clear(self) -> None:
        """Clear the fault, enable again without motion, and look in the next exchange."""
        self._asked = 0
        self._hand.clear()
        if self._hand.fault() is None:
            self._hand.enable(initialise=False)

    def close(self) -> None:
        """Close the connection; the motors stay enabled and hold their last target."""
        self._hand.close()


class VendorHand:
    """All calls of the vendor's library. Positions are (16,), rad, in the order of JOINTS."""

    def __init__(self) -> None:
        self._control: Any = None
        self._position_mode: Any = None

    def open(self, port: str) -> str:
        """Open the wire; returns "left" or "right". Raises DeviceError, or what the library raises."""
        library = import_library()
        if not port.startswith("/"):
            raise DeviceError(f"address: found {port!r}, expected a serial port as /dev/ttyUSB0")
        control = library.DexH13Control()
        kind = control.activeHandy(port, NO_CAMERA)
        if not control.isConnectHandy():
            raise DeviceError(f"no hand answers (the library says {kind!r})")
        self._control, self._position_mode = control, library.ControlMode.POSITION_CONTROL_MODE
        return "left" if kind == LEFT else "right"

    def enable(self, initialise: bool) -> None:
        """Enable position control where the hand stands, unless it is enabled. Raises DeviceError."""
        control = self._control
        if control.isMotorEnabled():
            if control.getMotorControlMode() == self._position_mode:
                return
            control.disableMotor()
        if initialise and control.initMotorPosition() != 1:
            raise DeviceError("the motors did not find their zero")
        here = self.read()
        moded = control.setMotorControlMode(self._position_mode)
        self.send(here)  # enabled motors go to the target that they have, and that may be an old one
        enabled = moded and control.enableMotor()
        self.send(here)  # for a hand that takes none before
        if not (enabled and control.isMotorEnabled()):
            raise DeviceError("the motors cannot be enabled; after power-up they need option 'initialise' once")

    def send(self, position: np.ndarray) -> bool:
        """Send targets, within the vendor's range; whether the hand takes them."""
        return bool(self._control.setJointPositionsRadian(np.clip(position, LOWER, UPPER).tolist()))

    def read(self) -> np.ndarray:
        """Measured position. Raises DeviceError."""
        found = np.array(self._control.getJointPositionsRadian(), dtype=float)
        if found.shape != (len(JOINTS),) or not np.isfinite(found).all():
            raise DeviceError(f"found positions {found.tolist()}, expected {len(JOINTS)} finite numbers")
        return found

    def fault(self) -> str | None:
        """The motors' faults in words, None while there is none."""
        return in_words(self._control.getFaultCode()) if self._control.isFault() else None

    def clear(self) -> None:
        """Clear the faults; those whose cause stays come back."""
        self._control.clearFaultCode()

    def close(self) -> None:
        """Close the wire if it is open."""
        if self._control is not None:
            self._control.disconnectHandy()


def import_library() -> Any:
    """The vendor's module. Raises DeviceError where it is absent."""
    try:
        from pxdex import dh13
    except ImportError as error:
        raise DeviceError(
            f"Paxini's library cannot be imported ({error}); install DexHandSDK and its wheel 'pxdex' for this Python, "
            "which Paxini delivers with the hand, see docs/reference/devices/dexh13.md"
        ) from error
    return dh13


def in_words(errors: Any) -> str:
    """The vendor's list of faults in words."""
    found = []
    for error in errors:
        name = getattr(error.error_code, "name", f"error {error.error_code}").lower().replace("_", " ")
        found.append(f"{error.finger_name} motor {error.motor_ID}: {name}")
    return "; ".join(found) or "a fault without a code"
