"""Hands that respond as the vendors' libraries do, for libraries that no registry has.

Written from what the vendors publish, not from the plug-ins: calls, types, ranges and order are checked as strictly as
the compiled libraries do, which know no keyword arguments, take no float for an integer, and answer with codes.
"""

from __future__ import annotations

import contextlib
import copy
import enum
import struct
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from types import ModuleType

import numpy as np
import pytest

from device_emulators.faults import Faults
from device_emulators.lag import Lag
from node_kit.testing import until

TRANSFER_S = 0.002  # of one request and its response
TIMEOUT_S = 0.02  # after which the libraries give up; the real ones wait 0.1 s


@contextlib.contextmanager
def library_of(hand: XHand | DexH13) -> Iterator[None]:
    """The vendor's library can be imported and drives `hand`; asserts that it is closed in the end."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        for name, module in hand.modules().items():
            monkeypatch.setitem(sys.modules, name, module)
        yield
        assert until(lambda: hand.open == 0)


def _module(name: str, **content: object) -> ModuleType:
    module = ModuleType(name)
    vars(module).update(content)
    return module


def _integer(value: object, lowest: int, highest: int) -> None:
    if isinstance(value, (float, bool)) or not lowest <= value <= highest:
        raise TypeError(f"incompatible arguments: {value!r}")


def _wait(faults: Faults) -> bool:
    """Wait for the duration of one request; returns whether there is a response."""
    time.sleep(TIMEOUT_S if faults.silent else TRANSFER_S + faults.delay_s())
    return not faults.silent


# X-Hand1

XHAND_LOWER = np.radians([0, -40, 0, -10, 0, 0, 0, 0, 0, 0, 0, 0])
XHAND_UPPER = np.radians([105, 100, 100, 10, 110, 110, 110, 110, 110, 110, 110, 110])
PASSIVE, POSITION = 0, 3
WARNINGS = (1501018, 1501019, 1501020, 1501035)  # the command is taken all the same
OUT_OF_RANGE, INVALID_ID, OPEN_FAILED, NO_SERIAL_ANSWER = 1501030, 1501037, 1501039, 1501050


@dataclass
class ErrorStruct:
    """Code 0 is success. Like the vendor's, it is true in any case."""

    error_code: int = 0
    error_message: str = ""


class FingerCommand:
    """One joint's command: integer fields of 16 bits and a position of single precision, nothing else."""

    RANGES = dict.fromkeys(("id", "tor_max", "mode", "res0", "res1", "res2", "res3"), (0, 65535)) | dict.fromkeys(
        ("kp", "ki", "kd"), (-32768, 32767)
    )
    __slots__ = (*RANGES, "position")

    def __init__(self) -> None:
        for name in self.__slots__:
            setattr(self, name, 0)

    def __setattr__(self, name: str, value: object) -> None:
        if name in self.RANGES:
            _integer(value, *self.RANGES[name])
        elif name == "position":
            value = struct.unpack("f", struct.pack("f", value))[0]
        super().__setattr__(name, value)


class HandCommand:
    """Twelve commands. As with the vendor's, the list is made anew for every look, its elements are not."""

    def __init__(self) -> None:
        self._fingers = tuple(FingerCommand() for _ in range(12))

    @property
    def finger_command(self) -> list[FingerCommand]:
        return list(self._fingers)


@dataclass
class FingerState:
    """One joint's state; the spelling is the vendor's."""

    id: int = 0
    position: float = 0.0
    torque: int = 0
    commboard_err: int = 0
    jonitboard_err: int = 0
    tipboard_err: int = 0


@dataclass
class HandState:
    """Twelve joints; all zero, ids too, where nothing was received."""

    finger_state: list[FingerState] = field(default_factory=lambda: [FingerState() for _ in range(12)])


class XHand:
    """The hand on the wire. `code` of the faults is a code of the library where it is one of those, else joint 1's."""

    def __init__(self, position: Sequence[float], numbers: Sequence[int] = (0,), kind: str = "Right") -> None:
        self.faults, self.joints = Faults(), Lag(np.array(position))
        self.numbers, self.kind = list(numbers), kind
        self.commands: list[list[tuple]] = []  # id, kp, ki, kd, tor_max, mode, position of each joint
        self.opened: list[tuple] = []
        self.open = 0  # connections

    def modules(self) -> dict[str, ModuleType]:
        """What to install."""
        content = {"XHandControl": lambda: XHandControl(self), "HandCommand_t": HandCommand}
        library = _module("xhand_controller.xhand_control", **content)
        return {
            "xhand_controller": _module("xhand_controller", xhand_control=library),
            "xhand_controller.xhand_control": library,
        }

    def take(self, command: HandCommand) -> int:
        """Execute a command; returns its error code."""
        fields = ("id", "kp", "ki", "kd", "tor_max", "mode", "position")
        sent = [tuple(getattr(finger, name) for name in fields) for finger in command.finger_command]
        here, target = self.joints.position, np.array([values[-1] for values in sent])
        modes = {values[5] for values in sent}
        if modes == {PASSIVE}:
            self.joints.target = here
            return 0
        inside = (target >= XHAND_LOWER - 1e-6) & (target <= XHAND_UPPER + 1e-6)  # NaN is not inside
        if modes != {POSITION} or [values[0] for values in sent] != list(range(12)) or not inside.all():
            return OUT_OF_RANGE
        self.commands.append(sent)
        self.joints.target = target
        return 0

    def state(self) -> HandState:
        """The joint states that the hand reports."""
        self.joints.frozen = self.faults.frozen
        fingers = [FingerState(number, float(value)) for number, value in enumerate(self.joints.position)]
        if self.faults.corrupt:
            fingers[5].id = 4
        if self.faults.code < 1501000:
            fingers[1].jonitboard_err = self.faults.code
        return HandState(fingers)


class XHandControl:
    """The library's object. On RS-485 a state comes with the answer to a command: a forced reading sends the last one
    again, which after opening is that of all zeros, passive."""

    def __init__(self, hand: XHand) -> None:
        self._hand, self._wire = hand, ""
        self._last, self._state = HandCommand(), HandState()

    def open_serial(self, port: str, baud: int, /) -> ErrorStruct:
        _integer(baud, 1, 2**32 - 1)
        return self._open("RS485", port, baud)

    def open_ethercat(self, interface: str, /) -> ErrorStruct:
        return self._open("EtherCAT", interface)

    def close_device(self) -> None:
        assert self._wire, "closed without being open"
        self._wire = ""
        self._hand.open -= 1

    def list_hands_id(self) -> list[int]:
        return self._hand.numbers if self._wire and _wait(self._hand.faults) else []

    def get_hand_type(self, number: int, /) -> tuple[ErrorStruct, str]:
        error = self._ask(number)
        return error, "" if error.error_code else self._hand.kind

    def send_command(self, number: int, command: HandCommand, /) -> ErrorStruct:
        if not isinstance(command, HandCommand):
            raise TypeError(f"incompatible arguments: {command!r}")
        error = self._ask(number)
        if error.error_code and error.error_code not in WARNINGS:
            return error
        refusal = self._hand.take(command)
        self._last, self._state = copy.deepcopy(command), self._hand.state()
        return ErrorStruct(refusal, "out of range") if refusal else error

    def read_state(self, number: int, force: bool, /) -> tuple[ErrorStruct, HandState]:
        if not isinstance(force, bool):
            raise TypeError(f"incompatible arguments: {force!r}")
        if self._wire == "RS485" and not force:
            return ErrorStruct(), self._state
        error = self._ask(number)
        if error.error_code == NO_SERIAL_ANSWER:
            return error, HandState()
        if self._wire == "RS485":
            self._hand.take(self._last)
        self._state = self._hand.state()
        return error, self._state

    def _open(self, wire: str, *address: object) -> ErrorStruct:
        if not isinstance(address[0], str):
            raise TypeError(f"incompatible arguments: {address!r}")
        if self._hand.faults.refuse:
            return ErrorStruct(OPEN_FAILED, "open device failed")
        self._wire = wire
        self._hand.opened.append((wire, *address))
        self._hand.open += 1
        return ErrorStruct()

    def _ask(self, number: int) -> ErrorStruct:
        _integer(number, 0, 255)
        assert self._wire, "asked without being open"
        if not _wait(self._hand.faults):
            return ErrorStruct(NO_SERIAL_ANSWER, "serial communication error")
        if number not in self._hand.numbers:
            return ErrorStruct(INVALID_ID, "invalid device id")
        code = self._hand.faults.code
        return ErrorStruct(code if code >= 1501000 else 0, "as told")


# DexH13

DEXH13_LOWER = np.radians([-20, 0, 0, 0] * 4)
DEXH13_UPPER = np.radians([20, 90, 90, 90] * 4)


class ControlMode(enum.Enum):
    NONE_CONTROL_MODE = 0
    TORQUE_CONTROL_MODE = 1
    SPEED_CONTROL_MODE = 2
    POSITION_CONTROL_MODE = 3


class ErrorCode(enum.IntEnum):
    OVER_TEMPERATURE = 6
    OVER_IQ = 9


@dataclass
class FingerMotorsError:
    finger_name: str
    motor_ID: int  # noqa: N815  the vendor's spelling
    error_code: ErrorCode


class DexH13:
    """The hand on the wire. Its motors go to the last target that they had, new or old, as soon as they are enabled."""

    def __init__(self, position: Sequence[float], kind: int = 2) -> None:
        self.faults, self.joints = Faults(), Lag(np.array(position))
        self.kind = kind  # 1 left, 2 right
        self.enabled, self.mode, self.zeroed = False, ControlMode.NONE_CONTROL_MODE, True
        self.target: np.ndarray = np.zeros(16)  # the last target of an earlier use, which a hand stores
        self.targets: list[np.ndarray] = []
        self.enablings = self.zeroings = 0
        self.ports: list[tuple[str, str]] = []
        self.clearable = True
        self.takes_targets_while_disabled = True  # undocumented by the vendor
        self.open = 0  # connections

    def modules(self) -> dict[str, ModuleType]:
        """What to install."""
        library = _module("pxdex.dh13", DexH13Control=lambda: DexH13Control(self), ControlMode=ControlMode)
        return {"pxdex": _module("pxdex", dh13=library), "pxdex.dh13": library}

    @property
    def code(self) -> int:
        """The error; motors with one are off."""
        if self.faults.code:
            self.enabled = False
        return self.faults.code

    @property
    def position(self) -> np.ndarray:
        """Where the joints are; they follow while enabled in position mode."""
        here = self.joints.position
        follows = self.enabled and self.mode is ControlMode.POSITION_CONTROL_MODE and not self.code
        self.joints.target, self.joints.frozen = (self.target if follows else here), self.faults.frozen
        return here


class DexH13Control:
    """The library's object. Results are numbers or booleans; a failure to connect is an exception."""

    def __init__(self, hand: DexH13) -> None:
        self._hand, self._connected = hand, False

    def activeHandy(self, port: str, camera: str, /) -> int:  # noqa: N802
        if not (isinstance(port, str) and isinstance(camera, str)):
            raise TypeError(f"incompatible arguments: {port!r}, {camera!r}")
        if self._hand.faults.refuse:
            raise RuntimeError("open serial port failed")
        self._connected = _wait(self._hand.faults)
        self._hand.ports.append((port, camera))
        self._hand.open += self._connected
        return self._hand.kind if self._connected else 0

    def isConnectHandy(self) -> bool:  # noqa: N802
        return self._connected and _wait(self._hand.faults)

    def disconnectHandy(self) -> bool:  # noqa: N802
        assert self._connected, "closed without being open"
        self._connected = False
        self._hand.open -= 1
        return True

    def initMotorPosition(self) -> int:  # noqa: N802
        if not self._ask():
            return 0
        self._hand.zeroings += 1
        self._hand.zeroed, self._hand.joints = True, Lag(np.zeros(16))
        return 1

    def setMotorControlMode(self, mode: ControlMode, /) -> bool:  # noqa: N802
        if not isinstance(mode, ControlMode):
            raise TypeError(f"incompatible arguments: {mode!r}")
        if not self._ask() or self._hand.enabled:
            return False
        self._hand.mode = mode
        return True

    def getMotorControlMode(self) -> ControlMode:  # noqa: N802
        return self._hand.mode if self._ask() else ControlMode.NONE_CONTROL_MODE

    def enableMotor(self) -> bool:  # noqa: N802
        if not self._ask() or self._hand.code or not self._hand.zeroed:
            return False
        self._hand.position  # noqa: B018  up to now they stood
        self._hand.enabled, self._hand.enablings = True, self._hand.enablings + 1
        self._hand.position  # noqa: B018  from now on they follow
        return True

    def disableMotor(self) -> bool:  # noqa: N802
        if self._ask():
            self._hand.position  # noqa: B018
            self._hand.enabled = False
        return not self._hand.enabled

    def isMotorEnabled(self) -> bool:  # noqa: N802
        return self._ask() and not self._hand.code and self._hand.enabled

    def setJointPositionsRadian(self, radians: list[float], /) -> int:  # noqa: N802
        if not isinstance(radians, list) or not all(type(value) in (int, float) for value in radians):
            raise TypeError(f"incompatible arguments: {radians!r}")
        target = np.array(radians)
        hand = self._hand
        ready = self._ask() and not hand.code and (hand.enabled or hand.takes_targets_while_disabled)
        if not ready or target.shape != (16,):
            return 0
        inside = (target >= DEXH13_LOWER - 1e-9) & (target <= DEXH13_UPPER + 1e-9)  # NaN is not inside
        if hand.mode is not ControlMode.POSITION_CONTROL_MODE or not inside.all():
            return 0
        hand.position  # noqa: B018  up to now towards the old target
        hand.target = target
        hand.targets.append(target)
        return 1

    def getJointPositionsRadian(self) -> list[float]:  # noqa: N802
        found = self._hand.position.tolist() if self._ask() else []
        return found[:-1] if self._hand.faults.cut else found

    def isFault(self) -> bool:  # noqa: N802
        return self._ask() and bool(self._hand.code)

    def getFaultCode(self) -> list[FingerMotorsError]:  # noqa: N802
        return [FingerMotorsError("index", 2, ErrorCode(self._hand.code))] if self.isFault() else []

    def clearFaultCode(self) -> bool:  # noqa: N802
        if self._ask() and self._hand.clearable:
            self._hand.faults.code = 0
        return self._hand.code == 0

    def _ask(self) -> bool:
        assert self._connected, "asked without being open"
        return _wait(self._hand.faults)
