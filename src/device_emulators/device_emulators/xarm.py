"""`emulate_xarm`: the control box of a UFACTORY xArm7 on TCP: its control port and its report port."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time

import numpy as np

from device_emulators.faults import Faults
from device_emulators.lag import Joints, JointsError, Lag
from device_emulators.serve import TcpServer

CONTROL_PORT, REPORT_PORT = 502, 30003
JOINTS = 7
LAST_JOINT = np.eye(JOINTS)[-1]
VERSION = b"7,7,XI1305,AC1305,v2.3.0"
REPORT_S = 0.01
PUSH = 0.005  # rad in each REPORT_S, of a joint that is turned by hand
STOPPED, READY = 4, 2
GRIPPER, TOOL_BAUD = 8, 11  # Modbus address of the gripper; the code of 2 Mbaud
GRIPPER_ERROR, GRIPPER_RESET, GRIPPER_TARGET, GRIPPER_POSITION = 0x000F, 0x0109, 0x0700, 0x0702
GRIPPER_OPEN = 850.0  # tenths of a millimetre between the fingers
NO_TOOL = 19  # the box's error if no device at the flange responds
POSITION_MODE, SERVO_MODE, MANUAL_MODE = 0, 1, 2
REACH = 2 * np.pi  # rad, of the joint with the largest range
ROWS, WORDS, NIBBLE = 3, 20, 15  # largest valid number of joint state rows, of gripper words, state or mode
ERROR_BIT, NOT_READY_BIT, INVALID_BIT = 0x40, 0x10, 0x08


class Gripper:
    """The Modbus registers of the gripper at the flange.

    Supported faults: silent, late_once_s, frozen and code.

    Args:
        faults: Faults of the gripper.
        finger: Distance between the fingers (1,), tenths of a millimetre.
    """

    def __init__(self, faults: Faults, finger: Joints) -> None:
        self.faults, self.finger = faults, finger
        self._registers: dict[int, int] = {}

    def answer(self, question: bytes) -> bytes | None:
        """The response to a request `function, register, count, data`; None if it is invalid."""
        register, count = struct.unpack_from(">HH", question, 1)
        if not 0 < count <= WORDS:
            return None
        if question[0] == 3:
            low = self._value(register) & (1 << 16 * count) - 1  # of a longer value, the last words
            return question[:1] + bytes([2 * count]) + low.to_bytes(2 * count, "big")
        if question[0] == 16 and len(question) == 6 + 2 * count:
            self._write(register, int.from_bytes(question[6:], "big", signed=True))
            return question[:5]
        return None

    def _value(self, register: int) -> int:
        if register == GRIPPER_ERROR:
            return self.faults.code
        if register == GRIPPER_POSITION:
            self.finger.frozen = self.faults.frozen
            return round(float(self.finger.position[0]))
        return self._registers.get(register, 0)

    def _write(self, register: int, value: int) -> None:
        self._registers[register] = value
        if register == GRIPPER_TARGET and not self.faults.code:
            self.finger.move(np.array([float(np.clip(value, -10, GRIPPER_OPEN))]))
        if register == GRIPPER_RESET:
            self.faults.code = 0


class ControlBox:
    """The arm behind the box.

    It executes servo targets only in mode 1, enabled, ready and without error; an error stops it until it is enabled
    again. It acknowledges them in other modes, too, and it acknowledges every change of its mode: but manual mode is
    left to position mode only, and not while the fault `manual` is on, an operator's hand on the button. `safeguard` is
    the stop of a light curtain: it sets position mode and stops the box. A box that is not ready can be `pushed`.
    """

    def __init__(self, faults: Faults, joints: Joints, gripper: Gripper | None = None) -> None:
        self.faults, self.joints = faults, joints
        self.mode, self.state, self.enabled, self.targets = 0, STOPPED, False, 0
        self.gripper = gripper or Gripper(Faults(), Lag(np.array([GRIPPER_OPEN])))

    @property
    def ready(self) -> bool:
        """Whether it accepts motions."""
        return self.enabled and self.state in (0, 1, READY) and not self.faults.code

    @property
    def status(self) -> int:
        """The status byte of responses."""
        return (ERROR_BIT if self.faults.code else 0) | (0 if self.ready else NOT_READY_BIT)

    def position(self) -> np.ndarray:
        """Present joint positions (7,), rad."""
        self.joints.frozen = self.faults.frozen
        return self.joints.position

    def answer(self, function: int, payload: bytes) -> bytes | None:
        """The payload of the response; None if the function or its parameters are invalid."""
        self._follow_faults()
        if function == 1:
            return VERSION.ljust(40, b"\0")
        if function == 13:
            return bytes([self.state])
        if function == 15:
            return bytes([self.faults.code & 0xFF, 0])
        if function == 29 and len(payload) == 40:
            return self._servo(np.array(struct.unpack("<10f", payload))[:JOINTS])
        if function == 42:
            return self._joint_states(payload[0] if payload else 1)
        if function in (11, 12, 16, 17, 19):
            return self._set(function, payload)
        if function == 124:
            return self._tool(payload)
        if function == 128:
            return struct.pack(">i", TOOL_BAUD)
        return b"\0" * 40 if function in (2, 8, 9) else b"\0\0"

    def _joint_states(self, count: int) -> bytes | None:
        """The first `count` rows of position, velocity and effort."""
        if not 0 < count <= ROWS:
            return None
        rows = np.zeros((count, JOINTS))
        rows[0] = self.position()
        rows[1:2] = self.joints.velocity
        return rows.astype("<f4").tobytes()

    def _servo(self, target: np.ndarray) -> bytes:
        if self.ready and self.mode == SERVO_MODE and (np.abs(target) <= REACH).all():  # False for NaN
            self.joints.move(target)
            self.targets += 1
        return b"\0\0"

    def _tool(self, payload: bytes) -> bytes | None:
        """Forward a request, after host and slave address, to the gripper; no response is an error of the box."""
        if len(payload) < 7 or payload[:2] != bytes([9, GRIPPER]):
            return None
        if self.gripper.faults.silent:
            self.faults.code = NO_TOOL
            return b""
        self.faults.late_once_s = self.gripper.faults.delay_s() or self.faults.late_once_s  # the box waits for it
        answer = self.gripper.answer(payload[2:])
        return None if answer is None else payload[:2] + answer

    def _set(self, function: int, payload: bytes) -> bytes | None:
        if function in (11, 12, 19) and (not payload or payload[0] > NIBBLE):
            return None
        if function == 11:
            self.enabled = bool(payload[-1])
        elif function == 12:
            self.state = READY if payload[0] == 0 else payload[0]
        elif function == 19:
            left = self.mode != MANUAL_MODE or payload[0] == POSITION_MODE
            if left and not self.faults.manual:
                self.mode = payload[0]
            self.state = STOPPED
        elif function == 16:
            self.faults.code &= 0xFF00  # codes above 255 cannot be cleared
        return b""

    def _follow_faults(self) -> None:
        if self.faults.code:
            self.state = STOPPED
        if self.faults.manual:
            self.mode = MANUAL_MODE
        if self.faults.safeguard:
            self.mode, self.state = POSITION_MODE, STOPPED

    def _yield_to_push(self) -> None:
        step = min(PUSH, self.faults.pushed)
        if step and not self.ready:
            self.faults.pushed -= step
            self.joints.move(self.joints.target + step * LAST_JOINT)

    def report(self) -> bytes:
        """A report, as sent on port 30003 every REPORT_S."""
        self._follow_faults()
        self._yield_to_push()
        angles = struct.pack("<7f", *self.position())
        rest = struct.pack("<6f", *[0.0] * 6) + struct.pack("<7f", *[0.0] * 7)
        body = bytes([self.mode << 4 | self.state]) + struct.pack(">H", 0) + angles + rest
        return struct.pack(">I", 135) + body.ljust(131, b"\0")


class ControlProtocol:
    """`transaction, protocol, length, function` and a payload, big-endian; responses add a status byte."""

    def __init__(self, box: ControlBox) -> None:
        self._box, self._buffer = box, b""

    def receive(self, data: bytes) -> bytes:
        """The responses to the requests that `data` completes."""
        self._buffer += data
        answers = b""
        while len(self._buffer) >= 7:
            transaction, protocol, length = struct.unpack_from(">HHH", self._buffer)
            if not 1 <= length <= 300:
                self._buffer = b""
                break
            if len(self._buffer) < 6 + length:
                break
            function, payload = self._buffer[6], self._buffer[7 : 6 + length]
            self._buffer = self._buffer[6 + length :]
            found = self._box.answer(function, payload)
            status = self._box.status | (INVALID_BIT if found is None else 0)
            found = found or b""
            answers += struct.pack(">HHHBB", transaction, protocol, 2 + len(found), function, status) + found
        return answers


class Reporter:
    """Sends the report periodically to all clients."""

    def __init__(self, box: ControlBox, host: str, port: int = REPORT_PORT) -> None:
        self._box, self._end = box, threading.Event()
        self._listener = socket.create_server((host, port))
        self._listener.settimeout(REPORT_S)
        self._thread = threading.Thread(target=self._run, name="xarm report", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop sending."""
        self._end.set()
        self._thread.join(2.0)
        self._listener.close()

    def _run(self) -> None:
        clients: list[socket.socket] = []
        while not self._end.is_set():
            with contextlib.suppress(TimeoutError):
                clients.append(self._listener.accept()[0])
            if clients and not self._box.faults.silent:
                with contextlib.suppress(JointsError):
                    report = self._box.report()
                    clients = [client for client in clients if _sent(client, report)]
            time.sleep(REPORT_S)
        for client in clients:
            client.close()


def _sent(client: socket.socket, data: bytes) -> bool:
    try:
        client.sendall(data)
    except OSError:
        client.close()
        return False
    return True


class XArmEmulator:
    """The box on its two ports; a context manager that closes them."""

    def __init__(self, box: ControlBox, host: str = "127.0.0.1", port: int = CONTROL_PORT) -> None:
        self.box = box
        self.control = TcpServer(lambda: ControlProtocol(self.box), box.faults, host, port)
        self.reporter = Reporter(self.box, host)

    def close(self) -> None:
        """Close both ports."""
        self.reporter.close()
        self.control.close()

    def __enter__(self) -> XArmEmulator:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
