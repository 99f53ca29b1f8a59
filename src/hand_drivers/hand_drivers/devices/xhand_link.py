"""The library of the X-Hand1, and its errors in words; see docs/reference/devices/xhand.md."""

from __future__ import annotations

from typing import Any

import numpy as np
from pydantic import Field

from hand_drivers.device import DeviceError
from hand_drivers.polled_device import BusOptions

MOTORS = (  # joints in the order of the vendor's ids, 0 to 11
    "thumb_bend_joint",
    "thumb_rota_joint1",
    "thumb_rota_joint2",
    "index_bend_joint",
    "index_joint1",
    "index_joint2",
    "mid_joint1",
    "mid_joint2",
    "ring_joint1",
    "ring_joint2",
    "pinky_joint1",
    "pinky_joint2",
)
POSITION_MODE = 3
ETHERCAT = "ethercat:"
PASSING = (0, 1501018, 1501019, 1501020, 1501035)  # done; tactile sensors not read (3); current limit in a grasp
FAULTS = {
    1501005: "the hand has no calibration",
    1501026: "joint parameters are not set up",
    1501028: "a joint is too hot",
    1501029: "unknown mode of motion",
    1501030: "target or gain out of range",
    1501031: "a joint has no calibration",
    1501033: "a joint does not support the command",
    1501034: "position sensor of a joint",
}
BOARDS = {"communication": "commboard_err", "joint": "jonitboard_err"}  # the vendor's spelling


class XHandOptions(BusOptions):
    """Options of an X-Hand."""

    id: int | None = Field(default=None, ge=0, le=255, description="id of the hand; none: the only one on the line")
    baud: int = Field(default=3_000_000, ge=9600, le=12_000_000, description="bits per second of the serial line")
    kp: int = Field(default=100, ge=0, le=32767, description="proportional gain in the hand; the vendor's example")
    ki: int = Field(default=0, ge=0, le=32767, description="integral gain in the hand")
    kd: int = Field(default=0, ge=0, le=32767, description="derivative gain in the hand")
    current: int = Field(default=300, ge=0, le=65535, description="largest motor current, mA; the vendor's `tor_max`")


class VendorHand:
    """The vendor's library. Positions are (12,), rad, in the order of MOTORS."""

    def __init__(self, options: XHandOptions) -> None:
        self._options = options
        self._control: Any = None
        self._command: Any = None
        self._id = 0

    def open(self, address: str) -> None:
        """Open the connection and find the hand.

        Raises:
            DeviceError: If that fails.
        """
        library = import_library()
        control = library.XHandControl()
        if address.startswith(ETHERCAT):
            error = control.open_ethercat(address.removeprefix(ETHERCAT))
        elif address.startswith("/"):
            error = control.open_serial(address, self._options.baud)
        else:
            raise DeviceError(f"address: found {address!r}, expected a serial port as /dev/ttyUSB0 or ethercat:IFNAME")
        if error.error_code != 0:
            raise DeviceError(f"cannot be opened: error {error.error_code}: {error.error_message}")
        self._control = control
        self._id = self._choose(list(control.list_hands_id()))
        self._command = self._new_command(library)

    def side(self) -> str:
        """The hand's side, "left" or "right"; "" if it is unknown."""
        error, kind = self._control.get_hand_type(self._id)
        return {"L": "left", "R": "right"}.get(str(kind)[:1].upper(), "") if error.error_code == 0 else ""

    def send(self, position: list[float]) -> str | None:
        """Send targets.

        Returns:
            The fault for which the hand refuses them; None if it accepts them.

        Raises:
            DeviceError: Without a response.
        """
        for finger, value in zip(self._command.finger_command, position, strict=True):
            finger.position = value
        return in_words(self._control.send_command(self._id, self._command))

    def read(self) -> tuple[np.ndarray, str | None]:
        """Measured positions and fault.

        Raises:
            DeviceError: Without a complete response.
        """
        error, state = self._control.read_state(self._id, True)  # True: from the hand, not from the library's cache
        fault = in_words(error)
        found = {int(finger.id): float(finger.position) for finger in state.finger_state}
        position = np.array([found.get(number, np.nan) for number in range(len(MOTORS))])
        if not np.isfinite(position).all():
            raise DeviceError(
                f"{fault or 'incomplete response'}: found joints {found}, expected 0 to {len(MOTORS) - 1}"
            )
        return position, fault or boards_in_words(state.finger_state)

    def close(self) -> None:
        """Close the connection if it is open."""
        if self._control is not None:
            self._control.close_device()

    def _choose(self, found: list[int]) -> int:
        wanted = self._options.id
        if wanted in found or (wanted is None and len(found) == 1):
            return found[0] if wanted is None else wanted
        raise DeviceError(f"found hands {found}, expected {'one' if wanted is None else f'number {wanted}'}")

    def _new_command(self, library: Any) -> Any:
        command, options = library.HandCommand_t(), self._options
        for number, finger in enumerate(command.finger_command):
            finger.id, finger.mode = number, POSITION_MODE
            finger.kp, finger.ki, finger.kd = options.kp, options.ki, options.kd
            finger.tor_max = options.current
        return command


def import_library() -> Any:
    """The vendor's module.

    Raises:
        DeviceError: If it is not installed.
    """
    try:
        from xhand_controller import xhand_control
    except ImportError as error:
        raise DeviceError(
            f"RobotEra's library cannot be imported ({error}); install the wheel 'xhand_controller' for this Python "
            "that RobotEra delivers with the hand, see docs/reference/devices/xhand.md"
        ) from error
    return xhand_control


def in_words(error: Any) -> str | None:
    """The fault in a response, in words; None without a fault.

    Raises:
        DeviceError: If the library reports that there was no response.
    """
    if error.error_code in PASSING:
        return None
    if error.error_code in FAULTS:
        return f"error {error.error_code}: {FAULTS[error.error_code]}"
    raise DeviceError(f"error {error.error_code}: {error.error_message}")


def boards_in_words(fingers: Any) -> str | None:
    """A text for the error registers of the boards, whose bits are not published; None if all are clear."""
    found = [
        f"{MOTORS[finger.id]}: {board} board {getattr(finger, register):#06x}"
        for finger in fingers
        for board, register in BOARDS.items()
        if getattr(finger, register)
    ]
    return "; ".join(found) or None
