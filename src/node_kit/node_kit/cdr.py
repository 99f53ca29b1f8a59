"""Serialised joint states, trajectories and transforms, written and read without message objects.

For every message rclpy makes Python objects of each point and each number, which takes longer than all else that the
graph does with them. The format is OMG CDR, little-endian (RTPS 2.5, 10.2): numbers are aligned to their size, counted
from the end of the 4 bytes of encapsulation. The readers know what the writers write, with the expected names in the
expected order; they return None for anything else, which rclpy then reads.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from contracts.chunk import SECOND
from contracts.transforms import quaternions

_LITTLE_ENDIAN = b"\x00\x01\x00\x00"  # the encapsulation
_STAMP = struct.Struct("<iI")
_COUNT = struct.Struct("<I")
_NAMED = 12  # where the stamp ends and the frame begins
_LONGEST_S = 2.0**31  # that a Duration holds


def joint_state(
    names: Sequence[str],
    stamp_ns: int,
    position: np.ndarray,
    velocity: np.ndarray | None = None,
    effort: np.ndarray | None = None,
    frame_id: str = "",
) -> bytes:
    """A serialised JointState of ``names`` (n) with arrays (n,); see `node_kit.messages.joint_state`."""
    parts, size = _begin(names, stamp_ns, frame_id)
    for column in (position, velocity, effort):
        values = b"" if column is None else _doubles(column)
        parts += (_COUNT.pack(len(values) // 8), bytes(_padding(size + 4) if values else 0), values)
        size += sum(map(len, parts[-3:]))
    return b"".join(parts)


def joint_trajectory(
    names: Sequence[str], stamp_ns: int, times_s: Sequence[float], points: np.ndarray, frame_id: str = ""
) -> bytes:
    """A serialised JointTrajectory: ``points`` (H, n) at ``times_s`` (H,) seconds after ``stamp_ns``."""
    times = np.asarray(times_s, float)
    if not (np.abs(times) < _LONGEST_S).all():
        raise ValueError(f"times: found {times.tolist()}, expected less than {_LONGEST_S:g} s")
    parts, size = _begin(names, stamp_ns, frame_id)
    rows = np.zeros(len(times), _row(len(names)))
    rows["positions"], rows["next"] = points, len(names)
    rows["sec"], rows["nanosec"] = np.divmod(np.rint(times * SECOND).astype(np.int64), SECOND)
    first = _COUNT.pack(len(names)) + bytes(_padding(size + 8) if names else 0) if len(rows) else b""
    return b"".join((*parts, _COUNT.pack(len(rows)), first, rows.tobytes()[: -_COUNT.size]))


class Transforms:
    """Serialised TFMessages of the same frames: only stamps and numbers change from one to the next.

    Args:
        ends: Parent and child frame of each transform (N).
    """

    def __init__(self, ends: Sequence[tuple[str, str]]) -> None:
        body, self._stamps, numbers = bytearray(_COUNT.pack(len(ends))), [], []
        for parent, child in ends:
            self._stamps.append(len(body) // 4)
            body += bytes(_STAMP.size) + _text(parent) + _text(child)
            body += bytes(-len(body) % 8)
            numbers.append(len(body) // 8)
            body += bytes(7 * 8)
        self._numbers = np.array(numbers, dtype=int).reshape(-1, 1) + np.arange(7)
        self._body = bytes(body) + bytes(-len(body) % 8)  # whole doubles, cut off again at the end
        self._length = len(body)

    def message(self, stamp_ns: int, poses: np.ndarray) -> bytes:
        """The message of ``poses`` (N, 4, 4), parent <- child, all of one stamp."""
        body = np.frombuffer(self._body, np.uint8).copy()
        words, doubles = body.view("<u4"), body.view("<f8")
        seconds, words_at = divmod(stamp_ns, SECOND), np.array(self._stamps, dtype=int)
        words[words_at], words[words_at + 1] = seconds
        doubles[self._numbers[:, :3]] = poses[:, :3, 3]
        doubles[self._numbers[:, 3:]] = quaternions(poses[:, :3, :3])
        return _LITTLE_ENDIAN + body.tobytes()[: self._length]


def frame_id(data: bytes) -> str | None:
    """The frame of a serialised message that begins with a header; None in another layout."""
    try:
        begin = _NAMED + _COUNT.size
        return data[begin : _end_of_frame(data) - 1].decode() if data.startswith(_LITTLE_ENDIAN) else None
    except (struct.error, ValueError):
        return None


def read_joint_state(data: bytes, names: Sequence[str]) -> tuple[int, list[np.ndarray]] | None:
    """Stamp, ns, and position, velocity and effort of a serialised JointState of ``names``, as many as were sent."""
    try:
        at, columns = _after_names(data, names), []
        for _ in range(3):
            (count,) = _COUNT.unpack_from(data, at)
            at += _COUNT.size
            at += _padding(at) if count else 0
            columns.append(np.frombuffer(data, "<f8", count, at))
            at += 8 * count
        return _stamp_ns(data), columns
    except (struct.error, ValueError):
        return None


def read_joint_trajectory(data: bytes, names: Sequence[str]) -> tuple[int, np.ndarray, np.ndarray] | None:
    """Stamp, ns, times (H,), s, and points (H, n) of a serialised JointTrajectory of ``names`` with positions alone."""
    try:
        at, row = _after_names(data, names), _row(len(names))
        count, first = struct.unpack_from("<II", data, at)
        at += 8 + _padding(at + 8)
        if not names or not count or first != len(names) or len(data) != at + count * row.itemsize - _COUNT.size:
            return None
        rows = np.frombuffer(data + first.to_bytes(4, "little"), row, count, at)
        if rows["others"].any() or (rows["next"] != first).any():
            return None
        return _stamp_ns(data), rows["sec"] + rows["nanosec"] * 1e-9, np.ascontiguousarray(rows["positions"])
    except (struct.error, ValueError):
        return None


@lru_cache
def _row(joints: int) -> np.dtype:
    """A point, from its first position on: its velocities, accelerations and efforts are empty.

    It ends with the number of positions of the next point, so that all points have the same layout.
    """
    positions, others = ("positions", "<f8", (joints,)), ("others", "<u4", (3,))
    return np.dtype([positions, others, ("sec", "<i4"), ("nanosec", "<u4"), ("next", "<u4")])


def _begin(names: Sequence[str], stamp_ns: int, frame_id: str) -> tuple[list[bytes], int]:
    """All that comes before the numbers, and its size, a multiple of 4."""
    parts = [_LITTLE_ENDIAN, _STAMP.pack(*divmod(stamp_ns, SECOND)), _text(frame_id), _texts(tuple(names))]
    return parts, sum(map(len, parts))


@lru_cache
def _texts(names: tuple[str, ...]) -> bytes:
    return _COUNT.pack(len(names)) + b"".join(map(_text, names))


def _text(text: str) -> bytes:
    """A string, padded to where the next count or string begins."""
    encoded = text.encode() + b"\0"
    return _COUNT.pack(len(encoded)) + encoded + bytes(-len(encoded) % 4)


def _doubles(values: np.ndarray) -> bytes:
    return np.ascontiguousarray(values, "<f8").tobytes()


def _padding(offset: int) -> int:
    """Bytes between an offset, a multiple of 4, and the doubles after it."""
    return (offset - len(_LITTLE_ENDIAN)) % 8


def _stamp_ns(data: bytes) -> int:
    sec, nanosec = _STAMP.unpack_from(data, len(_LITTLE_ENDIAN))
    return sec * SECOND + nanosec


def _end_of_frame(data: bytes) -> int:
    return _NAMED + _COUNT.size + _COUNT.unpack_from(data, _NAMED)[0]


def _after_names(data: bytes, names: Sequence[str]) -> int:
    """Where the numbers begin; raises ValueError if other names, or names in another order, come before them."""
    end, texts = _end_of_frame(data), _texts(tuple(names))
    begin = end + -end % 4
    if not data.startswith(_LITTLE_ENDIAN) or not data.startswith(texts, begin):
        raise ValueError
    return begin + len(texts)
