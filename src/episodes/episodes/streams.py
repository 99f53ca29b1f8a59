"""The streams of an episode on one time axis, and their values at a given time.

States are valid from their acquisition stamp on. Commands are in force from their reception on; their times count from
the stamp of the observation that caused them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from contracts.chunk import Chunk
from episodes import clock, messages
from episodes.bag import EpisodeReader, Record
from episodes.metadata import EpisodeError
from episodes.storage import CDR

_NS = 1e-9
NEVER_S = float("inf")  # age without a value


@dataclass(frozen=True)
class ImageStream:
    """Frames of one camera: ascending `stamps` (K,) int64 ns, and `places` (K,), their indices as written."""

    topic: str
    stamps: np.ndarray
    places: np.ndarray

    def read(self, reader: EpisodeReader, chosen: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
        """Read frames in one pass over the bag; yields (index in `chosen`, pixels (H, W, 3) uint8 RGB)."""
        rows: dict[int, list[int]] = {}
        for row, frame in enumerate(chosen):
            rows.setdefault(int(self.places[frame]), []).append(row)
        for place, record in enumerate(reader.records({self.topic}, as_written=True)):
            if place in rows:
                pixels = _pixels(record)
                yield from ((row, pixels) for row in rows[place])


@dataclass(frozen=True)
class StateStream:
    """Joint states: ascending `stamps` (K,) int64 ns, `values` (K, n) rad or m, columns in the order of `names`."""

    topic: str
    names: tuple[str, ...]
    stamps: np.ndarray
    values: np.ndarray

    def sample(self, at_ns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The newest values not newer than given times.

        Args:
            at_ns: Times (T,), ns.

        Returns:
            Values (T, n), NaN before the first, and ages (T,), s.
        """
        index = newest(self.stamps, at_ns)
        return _select(self.values, index), ages(self.stamps, index, at_ns)


@dataclass(frozen=True)
class CommandStream:
    """Chunks received at ascending `arrivals` (K,) int64 ns; points in rad or m, columns in the order of `names`."""

    topic: str
    names: tuple[str, ...]
    arrivals: np.ndarray
    chunks: tuple[Chunk, ...]

    def sample(self, at_ns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The targets in force at given times: the newest received chunk, interpolated.

        Until a chunk's first point, the target moves linearly from that in force at the chunk's reception, as in the
        drivers. The first chunk's first point and every chunk's last point hold.

        Args:
            at_ns: Times (T,), ns.

        Returns:
            Values (T, n), NaN before the first, and ages (T,), s.
        """
        index = newest(self.arrivals, at_ns)
        values = np.full((len(at_ns), len(self.names)), np.nan)
        for row, chunk in enumerate(index):
            if chunk >= 0:
                values[row] = self.chunks[chunk].at(int(at_ns[row]))[0]
        return values, ages(self.arrivals, index, at_ns)


def newest(stamps: np.ndarray, at_ns: np.ndarray) -> np.ndarray:
    """Index (T,) of the newest of ascending `stamps` (K,) not newer than each of `at_ns` (T,); -1 without one."""
    return np.searchsorted(stamps, at_ns, side="right") - 1


def ages(stamps: np.ndarray, index: np.ndarray, at_ns: np.ndarray) -> np.ndarray:
    """Ages (T,), s, of the stamps at `index` (T,) at the times `at_ns` (T,); infinite for index -1."""
    if not len(stamps):
        return np.full(len(at_ns), NEVER_S)
    return np.where(index >= 0, (at_ns - stamps[np.maximum(index, 0)]) * _NS, NEVER_S)


def load(reader: EpisodeReader, wanted: Mapping[str, str]) -> dict[str, list[Record]]:
    """Read records by topic; those of images only up to the stamp.

    Args:
        reader: The open bag.
        wanted: Message type by topic.

    Raises:
        EpisodeError: Naming every topic that is missing, empty, or of another type.
    """
    missing = [topic for topic in wanted if topic not in reader.topics or not reader.topics[topic].count]
    if missing:
        raise EpisodeError("", ", ".join(missing), None, "messages")
    for topic, msgtype in wanted.items():
        if reader.topics[topic].msgtype not in (messages.IMAGES if msgtype in messages.IMAGES else (msgtype,)):
            raise EpisodeError("", topic, reader.topics[topic].msgtype, msgtype)
        _refuse_foreign(reader, topic)
    records: dict[str, list[Record]] = {topic: [] for topic in wanted}
    for record in reader.records(set(wanted), as_written=True):
        records[record.topic].append(_header_of(record) if record.msgtype in messages.IMAGES else record)
    for topic, found in records.items():
        _refuse_jump(topic, found)
    return records


def refuse_jumps(reader: EpisodeReader, topics: Collection[str]) -> None:
    """Refuse a bag in which the times of a topic go back: sorted by time, its two parts would interleave.

    Args:
        reader: The open bag.
        topics: Topics whose messages begin with a header.

    Raises:
        EpisodeError: Naming the topic and the jump, or another serialization than CDR.
    """
    headers: dict[str, list[Record]] = {topic: [] for topic in topics}
    for topic in topics:
        _refuse_foreign(reader, topic)
    for record in reader.records(topics, as_written=True):
        headers[record.topic].append(_header_of(record))
    for topic, found in headers.items():
        _refuse_jump(topic, found)


def _refuse_foreign(reader: EpisodeReader, topic: str) -> None:
    if reader.topics[topic].serialization != CDR:
        found = f"messages serialized as {reader.topics[topic].serialization}"
        raise EpisodeError("", topic, found, "cdr, which is supported")


def _header_of(record: Record) -> Record:
    """The record up to the stamp."""
    return replace(record, raw=bytes(record.raw[:12]))


def _refuse_jump(topic: str, records: list[Record]) -> None:
    received = np.array([record.log_ns for record in records], dtype=np.int64)
    stamps = np.array([messages.header_stamp_ns(record.raw) for record in records], dtype=np.int64)
    name, jump = "received", clock.jump(received)
    if jump is None:
        name, jump = "stamped", clock.stamp_jump(received, stamps)
    if jump is not None:
        raise EpisodeError("", topic, f"{name} at times that go back: {jump}", clock.EXPECTED)


def image_stream(topic: str, records: list[Record]) -> ImageStream:
    """Frames in the order of their stamps, from records with the header alone."""
    stamps = np.array([messages.header_stamp_ns(record.raw) for record in records], dtype=np.int64)
    places = np.argsort(stamps, kind="stable")
    return ImageStream(topic, stamps[places], places)


def state_stream(topic: str, records: list[Record]) -> StateStream:
    """Joint states in the order of their stamps.

    Raises:
        EpisodeError: If the names change, or a value is missing or not finite.
    """
    decoded = [record.decode() for record in records]
    names = _constant_names(topic, [tuple(message.name) for message in decoded])
    if any(len(message.position) != len(names) for message in decoded):
        raise EpisodeError("", topic, "a message with more or fewer positions than names", f"{len(names)} positions")
    values = np.stack([np.asarray(message.position, dtype=np.float64) for message in decoded])
    if not np.isfinite(values).all():
        raise EpisodeError("", topic, "positions that are not finite", "finite positions")
    stamps = np.array([messages.stamp_ns(message) for message in decoded], dtype=np.int64)
    order = np.argsort(stamps, kind="stable")
    return StateStream(topic, names, stamps[order], values[order])


def command_stream(topic: str, records: list[Record], names: tuple[str, ...]) -> CommandStream:
    """Chunks in the order of reception, columns in the order of `names`.

    Raises:
        EpisodeError: If the joints are others, or a chunk is invalid.
    """
    records = sorted(records, key=lambda record: record.log_ns)  # threads may write them slightly out of order
    decoded = [record.decode() for record in records]
    found = _constant_names(topic, [tuple(message.joint_names) for message in decoded])
    if sorted(found) != sorted(names):
        raise EpisodeError("", topic, f"joints {', '.join(found)}", ", ".join(names))
    columns = [found.index(name) for name in names]
    chunks = [_chunk(topic, message, columns) for message in decoded]
    arrivals = np.array([record.log_ns for record in records], dtype=np.int64)
    return CommandStream(topic, names, arrivals, _joined(arrivals, chunks))


def _chunk(topic: str, message: Any, columns: list[int]) -> Chunk:
    try:
        found = messages.read_chunk(message)
    except EpisodeError as error:
        raise EpisodeError("", f"{topic}: {error.field}", error.found, error.expected) from None
    if not (np.diff(found.times_s) > 0).all():
        raise EpisodeError("", topic, "points whose times do not ascend", "ascending times")
    if not np.isfinite(found.points).all():
        raise EpisodeError("", topic, "points that are not finite", "finite points")
    return Chunk(found.stamp_ns, found.times_s, found.points[:, columns])


def _joined(arrivals: np.ndarray, chunks: list[Chunk]) -> tuple[Chunk, ...]:
    """Each chunk as executed from its arrival on: from the target in force then."""
    followed = chunks[:1]
    for arrival, chunk in zip(arrivals[1:].tolist(), chunks[1:], strict=True):
        followed.append(chunk.joined(arrival, followed[-1].at(arrival)[0]))
    return tuple(followed)


def _constant_names(topic: str, names: list[tuple[str, ...]]) -> tuple[str, ...]:
    if len(set(names)) != 1 or not names[0]:
        raise EpisodeError("", topic, "joint names that are empty or change", "the same names in all messages")
    if len(set(names[0])) != len(names[0]):
        raise EpisodeError("", topic, f"a joint named twice: {', '.join(names[0])}", "each joint once")
    return names[0]


def _select(values: np.ndarray, index: np.ndarray) -> np.ndarray:
    return np.where((index >= 0)[:, None], values[np.maximum(index, 0)], np.nan)


def _pixels(record: Record) -> np.ndarray:
    try:
        return messages.image_array(record.decode())
    except EpisodeError as error:
        raise EpisodeError("", f"{record.topic}: {error.field}", error.found, error.expected) from None
