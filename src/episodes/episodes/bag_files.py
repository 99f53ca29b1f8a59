"""The files of a bag, opened by rosbags but for what they say of the types of their topics, and read within bounds.

rosbags refuses a file as a whole for one definition in an encoding that it does not know, such as protobuf. Definitions
are not used here: a topic is a name, a type and a serialization. rosbags also reads what a file calls a message, or
unpacks to one, however long it is.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Collection, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

from rosbags.interfaces import Connection, ConnectionExtRosbag2, MessageDefinition, MessageDefinitionFormat
from rosbags.rosbag2.storage_mcap import MAXSIZE, McapReader, Schema, Statistics
from rosbags.rosbag2.storage_sqlite3 import Sqlite3Reader

from episodes import mcap
from episodes.database import Database
from episodes.limits import MAX_SUMMARY_BYTES

NO_DEFINITION = MessageDefinition(MessageDefinitionFormat.NONE, "")
_IGNORED = 0x80  # from here on, kinds of records that readers have to skip
Message = tuple[Connection, int, bytes]


class McapFile(McapReader):
    """An MCAP file; rosbags calls `read_index` and `meta_scan` while it opens it."""

    def __init__(self, path: Any) -> None:
        super().__init__(path)
        self._described = mcap.Described()

    def read_index(self) -> None:
        """Read schemas and channels from the index, and let rosbags read the rest of it."""
        assert self.bio
        file, start = self.bio, self.data_end
        if (length := file.seek(0, 2) - start) > MAX_SUMMARY_BYTES:
            raise ValueError(f"an index of {length} bytes, at most {MAX_SUMMARY_BYTES} are read")
        file.seek(start)
        index, at = bytearray(file.read()), 0
        for code, content in mcap.records_in(bytes(index)):
            if code in (mcap.SCHEMA, mcap.CHANNEL):
                self._described.take(code, content)
                index[at] = _IGNORED
            at += mcap.HEAD.size + len(content)
        self._connect()
        self.bio, self.data_end = BytesIO(index), 0
        try:
            super().read_index()
        finally:
            self.bio, self.data_end = file, start

    def meta_scan(self) -> None:
        """Read the same from the data of a file without an index, and count its messages."""
        assert self.bio
        counts, first, last, walk = Counter[int](), MAXSIZE, 0, mcap.Walk()
        for code, raw in self._records(walk, {mcap.SCHEMA, mcap.CHANNEL, mcap.MESSAGE}):
            self._described.take(code, raw)
            if code == mcap.MESSAGE:
                number, log_ns, _ = mcap.message(raw)
                counts[number] += 1
                first, last = min(first, log_ns), max(last, log_ns)
        if walk.read < walk.size or walk.damaged:
            raise ValueError(f"{walk.read} of {walk.size} bytes can be read, {walk.damaged} records are too long")
        self._connect()
        topics = len(self.connections)
        self.statistics = Statistics(counts.total(), len(self.schemas), topics, 0, 0, 0, first, last, counts)

    def in_order(self, connections: Collection[Connection]) -> Iterator[Message]:
        """Messages by time of reception."""
        known = {each.id: each for each in connections}
        if not self.chunks:  # without an index; they are sorted here, in memory
            yield from sorted(self.as_written(connections), key=lambda message: message[1])
            return
        waiting: list[tuple[int, int, int, int, bytes]] = []  # a heap of time, place in the file, topic, bytes
        for chunk in sorted(self.chunks, key=lambda each: each.message_start_time):
            while waiting and waiting[0][0] < chunk.message_start_time:
                log_ns, _, _, number, raw = heapq.heappop(waiting)
                yield known[number], log_ns, raw
            if any(chunk.channel_count.get(number) for number in known):
                start = chunk.chunk_start_offset
                for place, (number, log_ns, raw) in enumerate(self._of_chunk(start)):
                    if number in known:
                        heapq.heappush(waiting, (log_ns, start, place, number, raw))
        while waiting:
            log_ns, _, _, number, raw = heapq.heappop(waiting)
            yield known[number], log_ns, raw

    def as_written(self, connections: Collection[Connection]) -> Iterator[Message]:
        """Messages in the order in which they were written."""
        known = {each.id: each for each in connections}
        for _, content in self._records(mcap.Walk(), {mcap.MESSAGE}):
            number, log_ns, raw = mcap.message(content)
            if number in known:
                yield known[number], log_ns, raw

    def _of_chunk(self, start: int) -> list[tuple[int, int, bytes]]:
        assert self.bio
        code, content = mcap.record_at(self.bio, start)
        if code != mcap.CHUNK:
            raise ValueError("an index that does not lead to the messages")
        return [mcap.message(raw) for code, raw in mcap.records_of_chunk(content) if code == mcap.MESSAGE]

    def _records(self, walk: mcap.Walk, wanted: set[int]) -> Iterator[tuple[int, bytes]]:
        """Records of some kinds, in and outside chunks."""
        assert self.bio
        for outer, content in mcap.records(self.bio, walk, {*wanted, mcap.CHUNK}):
            for code, raw in mcap.records_of_chunk(content) if outer == mcap.CHUNK else [(outer, content)]:
                if code in wanted:
                    yield code, raw

    def _connect(self) -> None:
        self.schemas |= {number: Schema(number, *each) for number, each in self._described.schemas.items()}
        self.connections = [
            _connection(self, number, each.topic, each.msgtype, 0, each.serialization)
            for number, each in self._described.channels.items()
        ]


class Sqlite3File(Sqlite3Reader):
    """A db3 file; rosbags calls `_open` while it opens it."""

    def _open(self) -> None:
        self._database = Database(self.dbconn, Path(str(self.path)).stat().st_size)
        count, first, last = self._database.check_messages()
        counts = self._database.counts()
        self.connections = [
            _connection(self, number, name, msgtype, counts.get(number, 0), serialization)
            for number, name, msgtype, serialization in self._database.topics()
        ]
        if count:
            self.metadata = self.metadata._replace(start_time=first, end_time=last + 1, message_count=count)

    def in_order(self, connections: Collection[Connection]) -> Iterator[Message]:
        """Messages by time of reception."""
        known = {each.id: each for each in connections}
        return ((known[number], log_ns, raw) for number, log_ns, raw in self._database.messages(list(known)))

    def as_written(self, connections: Collection[Connection]) -> Iterator[Message]:
        """Messages in the order in which they were written."""
        known = {each.id: each for each in connections}
        rows = self._database.messages(list(known), as_written=True)
        return ((known[number], log_ns, raw) for number, log_ns, raw in rows)


def _connection(owner: object, number: int, topic: str, msgtype: str, count: int, serialization: str) -> Connection:
    return Connection(number, topic, msgtype, NO_DEFINITION, "", count, ConnectionExtRosbag2(serialization, []), owner)
