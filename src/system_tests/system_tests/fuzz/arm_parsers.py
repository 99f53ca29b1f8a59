"""The request parsers of the emulated gripper and control box, checked as those of the hands (`hand_parsers`)."""

from __future__ import annotations

import struct
from random import Random

import numpy as np

from device_emulators import robotiq, xarm
from device_emulators.faults import Faults
from device_emulators.lag import Lag
from system_tests.fuzz.hand_parsers import conversation, modbus_sealed
from system_tests.fuzz.outcome import Wrong
from system_tests.fuzz.parsing import Connection, Target

TURN = 2 * np.pi  # rad, the largest range of an xArm's joints, in both directions
REPORT = 135  # bytes of the report on port 30003


def targets() -> list[Target]:
    """Robotiq gripper and xArm."""
    return [
        Target("robotiq emulator, Modbus RTU", rtu_request, robotiq_rtu, rtu_sealed),
        Target("xarm emulator, control port", box_request, xarm_box, box_sealed),
    ]


# --- Robotiq ----------------------------------------------------------------------------------------------------------


def robotiq_rtu() -> Connection:
    """A connection to a Robotiq gripper."""
    gripper = robotiq.RobotiqGripper(Faults())
    protocol = robotiq.RtuProtocol(gripper)
    return conversation(protocol, gripper.finger, (robotiq.OPENED, robotiq.CLOSED), check_rtu)


def check_rtu(answer: bytes) -> None:
    """Check the responses."""
    while answer:
        function = answer[1] if len(answer) > 4 else 0
        size = {3: 11, 4: 11, 23: 11, 16: 8}.get(function, 5)
        if (function < 0x80 and size == 5) or len(answer) < size or robotiq.crc(answer[:size]) != b"\0\0":
            raise Wrong(f"answers {answer.hex()}")
        answer = answer[size:]


def rtu_request(rng: Random) -> bytes:
    """A valid request."""
    words = struct.pack(">3H", rng.choice((0, 0x0100, 0x0900)), rng.randrange(256), rng.randrange(0x10000))
    written = struct.pack(">HHB", robotiq.OUTPUT, robotiq.WORDS, len(words)) + words
    asked = struct.pack(">HH", robotiq.INPUT, robotiq.WORDS)
    body = rng.choice((b"\x03" + asked, b"\x04" + asked, b"\x10" + written, b"\x17" + asked + written))
    return rtu_sealed(b"\x09" + body + b"\0\0")


def rtu_sealed(data: bytes) -> bytes:
    """Set the checksum."""
    return data[:-2] + robotiq.crc(data[:-2])


# --- xArm -------------------------------------------------------------------------------------------------------------


def xarm_box() -> Connection:
    """A connection to a control box."""
    joints = Lag(np.zeros(xarm.JOINTS), 0.02)
    box = xarm.ControlBox(Faults(), joints)
    box.enabled, box.mode, box.state = True, xarm.SERVO_MODE, xarm.READY

    def check(answer: bytes) -> None:
        check_box(answer)
        if not np.isfinite(np.frombuffer(box.report()[7:35], "<f4")).all() or len(box.report()) != REPORT:
            raise Wrong(f"reports {box.report().hex()}")

    return conversation(xarm.ControlProtocol(box), joints, (-TURN, TURN), check)


def check_box(answer: bytes) -> None:
    """Check the responses."""
    while answer:
        _, _, length = struct.unpack_from(">HHH", answer)
        if length < 2 or len(answer) < 6 + length:
            raise Wrong(f"answers {answer.hex()}")
        function, body = answer[6], answer[8 : 6 + length]
        if function == 42 and not np.isfinite(np.frombuffer(body, "<f4")).all():
            raise Wrong(f"reports positions {np.frombuffer(body, '<f4').tolist()}")
        answer = answer[6 + length :]


def box_request(rng: Random) -> bytes:
    """A valid request."""
    target = [rng.uniform(-3, 3) for _ in range(7)] + [0.0] * 3
    register = rng.choice((0x0100, 0x0101, 0x0303, xarm.GRIPPER_TARGET, xarm.GRIPPER_POSITION, xarm.GRIPPER_ERROR))
    count = rng.choice((1, 2, 2))
    tool = struct.pack(">BBBHH", 9, xarm.GRIPPER, rng.choice((3, 16)), register, count)
    tool += bytes([2 * count]) + rng.randrange(850).to_bytes(2 * count, "big") if tool[2] == 16 else b""
    request = {29: struct.pack("<10f", *target), 42: bytes([rng.randint(0, 3)]), 124: tool, 11: b"\x08\x01", 1: b""}
    request |= {12: bytes([rng.choice((0, 4))]), 19: bytes([rng.choice((0, 1))]), 13: b"", 15: b"", 16: b"", 128: b""}
    function = rng.choice((29, 29, 29, 42, 42, 124, 124, *request))
    return box_sealed(struct.pack(">HHHB", rng.randrange(0x10000), 2, 0, function) + request[function])


def box_sealed(data: bytes) -> bytes:
    """Set the length; there is no checksum."""
    return modbus_sealed(data)
