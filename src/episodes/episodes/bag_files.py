"""The files of a bag, read by rosbags but for what they say of the types of their topics.

rosbags refuses a file as a whole for one definition in an encoding that it does not know, such as protobuf. Definitions
are not used here: a topic is a name, a type and a serialization.
"""

from __future__ import annotations

import struct
from collections import Counter
from io import BytesIO
from typing import Any

from rosbags.interfaces import Connection, ConnectionExtRosbag2, MessageDefinition, MessageDefinitionFormat
from rosbags.rosbag2.storage_mcap import MAXSIZE, McapReader, Schema, Statistics
from rosbags.rosbag2.storage_sqlite3 import Sqlite3Reader

from episodes import mcap

NO_DEFINITION = MessageDefinition(MessageDefinitionFormat.NONE, "")
_IGNORED = 0x80  # from here on, kinds of records that readers have to skip


class McapFile(McapReader):
    """An MCAP file; rosbags calls both methods while it opens it."""

    def __init__(self, path: Any) -> None:
        super().__init__(path)
        self._described = mcap.Described()

    def read_index(self) -> None:
        """Read schemas and channels from the index, and let rosbags read the rest of it."""
        assert self.bio
        file, start = self.bio, self.data_end
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
        wanted = {mcap.SCHEMA, mcap.CHANNEL, mcap.MESSAGE, mcap.CHUNK}
        for outer, content in mcap.records(self.bio, walk, wanted):
            for code, raw in mcap.records_of_chunk(content) if outer == mcap.CHUNK else [(outer, content)]:
                self._described.take(code, raw)
                if code == mcap.MESSAGE:
                    number, _, log_ns = struct.unpack_from("<HIQ", raw)
                    counts[number] += 1
                    first, last = min(first, log_ns), max(last, log_ns)
        if walk.read < walk.size:
            raise ValueError(f"{walk.read} of {walk.size} bytes can be read")
        self._connect()
        topics = len(self.connections)
        self.statistics = Statistics(counts.total(), len(self.schemas), topics, 0, 0, 0, first, last, counts)

    def _connect(self) -> None:
        self.schemas |= {number: Schema(number, *each) for number, each in self._described.schemas.items()}
        self.connections = [
            _connection(self, number, each.topic, each.msgtype, 0, each.serialization)
            for number, each in self._described.channels.items()
        ]


class Sqlite3File(Sqlite3Reader):
    """A db3 file; rosbags calls the method while it opens it."""

    def _open(self) -> None:
        database: Any = self.dbconn
        topics = database.execute(
            "SELECT topics.id, name, type, count(messages.id), serialization_format "
            "FROM topics LEFT JOIN messages ON topics.id == messages.topic_id GROUP BY topics.id ORDER BY topics.id"
        )
        self.connections = [_connection(self, *row) for row in topics]
        first, last, count = next(database.execute("SELECT min(timestamp), max(timestamp), count(*) FROM messages"))
        if count:
            self.metadata = self.metadata._replace(start_time=first, end_time=last + 1, message_count=count)


def _connection(owner: object, number: int, topic: str, msgtype: str, count: int, serialization: str) -> Connection:
    return Connection(number, topic, msgtype, NO_DEFINITION, "", count, ConnectionExtRosbag2(serialization, []), owner)
