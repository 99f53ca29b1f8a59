"""Errors of messages, one at a time."""

from __future__ import annotations

import functools
import struct
import time
from array import array
from random import Random
from typing import Any

from builtin_interfaces.msg import Duration
from sensor_msgs.msg import Image, JointState
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

MANY = 3000  # points of a message that is too long
INT32, UINT32 = 2**31 - 1, 2**32 - 1
ODD = (float("nan"), float("inf"), -float("inf"), 1e308, -1e308, 5e-324, 1e30, -1e6, 1e5, 7.0)
ENCODINGS = ("", "bgr8", "mono8", "rgba8", "16UC1", "rgb8 ", "\x00", "x" * 300)


def odd(rng: Random) -> float:
    """An invalid or extreme number: not finite, huge, tiny, or any 64 bits."""
    return rng.choice(ODD) if rng.random() < 0.7 else struct.unpack("<d", rng.randbytes(8))[0]


def _stamp(rng: Random, message: Any) -> None:
    now = int(time.time())
    seconds = (0, -1, -INT32 - 1, INT32, now - 2, now + 2, now - 10**6, now + 10**6, rng.randint(-INT32, INT32))
    message.header.stamp.sec = rng.choice(seconds)
    message.header.stamp.nanosec = rng.choice((0, 999_999_999, 10**9, UINT32, rng.randrange(UINT32)))


def _frame(rng: Random, message: Any) -> None:
    message.header.frame_id = rng.choice(("", "x", message.header.frame_id + "0", "ü" * 50, "\n"))


def _names_of(rng: Random, names: list[str]) -> list[str]:
    """Too few, too many, duplicate or other names, or another order, which is valid."""
    other = list(names)
    place = rng.randrange(len(names)) if names else 0
    kind = rng.randrange(6)
    if kind == 0 or not names:
        return []
    if kind == 1:
        return other[:place] + other[place + 1 :]
    if kind == 2:
        return [*other, rng.choice(("", "joint", names[0], "ü\n"))]
    if kind == 3:
        other[place] = names[rng.randrange(len(names))]
    elif kind == 4:
        other[place] += rng.choice((" ", "_", "\x01"))
    else:
        rng.shuffle(other)
    return other


def _joint_names(rng: Random, message: JointTrajectory) -> None:
    message.joint_names = _names_of(rng, message.joint_names)


def _state_names(rng: Random, message: JointState) -> None:
    message.name = _names_of(rng, message.name)


def _values(rng: Random, message: JointTrajectory) -> None:
    for point in message.points[rng.randrange(len(message.points)) :] if message.points else ():
        if point.positions:
            point.positions[rng.randrange(len(point.positions))] = odd(rng)


def _ragged(rng: Random, message: JointTrajectory) -> None:
    if message.points:
        point = rng.choice(message.points)
        wanted = rng.choice((0, 1, max(len(point.positions) - 1, 0), len(point.positions) + 1, 500))
        point.positions = array("d", [0.1] * wanted)


def _times(rng: Random, message: JointTrajectory) -> None:
    for point in message.points[-rng.randint(1, 3) :]:
        duration = point.time_from_start
        duration.sec = rng.choice((0, 0, 1, -1, INT32, -INT32 - 1, rng.randint(-INT32, INT32)))
        duration.nanosec = rng.choice((0, 1, 999_999_999, 10**9, UINT32, rng.randrange(UINT32)))


def _order(rng: Random, message: JointTrajectory) -> None:
    message.points = rng.sample(message.points, len(message.points))


def _number(rng: Random, message: JointTrajectory) -> None:
    """Remove all points, or add very many."""
    one = message.points[0].positions if message.points and rng.random() < 0.03 else None
    message.points = [] if one is None else [JointTrajectoryPoint(positions=one, time_from_start=t) for t in _long()]


@functools.cache
def _long() -> list[Duration]:
    return [Duration(sec=i // 100, nanosec=i % 100 * 10_000_000) for i in range(1, MANY)]


def _velocities(rng: Random, message: JointTrajectory) -> None:
    for point in message.points:
        point.velocities = array("d", [odd(rng) for _ in range(rng.randint(0, 9))])
        point.accelerations = array("d", [odd(rng)] * rng.randint(0, 2))


def _state_values(rng: Random, message: JointState) -> None:
    column = rng.choice((message.position, message.position, message.velocity, message.effort))
    if column:
        column[rng.randrange(len(column))] = odd(rng)


def _state_sizes(rng: Random, message: JointState) -> None:
    name = rng.choice(("position", "velocity", "effort"))
    wanted = rng.choice((0, 1, len(message.name) - 1, len(message.name) + 1, 500))
    setattr(message, name, array("d", [0.1] * max(wanted, 0)))


def _encoding(rng: Random, message: Image) -> None:
    message.encoding = rng.choice(ENCODINGS)


def _size(rng: Random, message: Image) -> None:
    """Set another size, at times with data for it: none, one line, one pixel."""
    message.height, message.width = rng.choice(((0, 0), (0, 5), (5, 0), (1, 1), (1, 400), (400, 1), (UINT32, UINT32)))
    message.step = rng.choice((0, 3 * message.width & UINT32, 3, UINT32, message.step))
    if rng.random() < 0.7 and message.height * message.step < 10**6:
        message.data = array("B", bytes(message.height * message.step))


def _step(rng: Random, message: Image) -> None:
    message.step = rng.choice((0, 1, message.step - 1 & UINT32, message.step + 1, UINT32, message.width))


def _data(rng: Random, message: Image) -> None:
    wanted = rng.choice((0, 1, len(message.data) // 2, max(len(message.data) - 1, 0)))
    message.data = message.data[:wanted] if rng.random() < 0.8 else message.data + array("B", b"\1\2\3")


TRAJECTORY = (_stamp, _frame, _joint_names, _values, _values, _ragged, _times, _times, _order, _number, _velocities)
STATE = (_stamp, _frame, _state_names, _state_values, _state_values, _state_sizes)
IMAGE = (_stamp, _encoding, _size, _size, _step, _data)
