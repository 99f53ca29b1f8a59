"""The database in a .db3 file, from which no more is read than the file holds.

A view, a generated column or a page that occurs several times in its tree makes any number of rows of any size out of a
small file.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from rosbags.rosbag2.storage_sqlite3 import apsw  # SQLite as rosbags brings it along

from episodes.limits import MAX_MESSAGE_BYTES

_ROW_BYTES = 1 << 10  # of a message's row beside its data
_STEPS = 10_000  # of SQLite's machine, between two looks at signals and at the bound
_LEAST_STEPS, _STEPS_PER_BYTE = 10_000_000, 64  # of one query; a row takes about 20 steps and 20 bytes
_OF_A_MESSAGE = "typeof(topic_id) = 'integer' AND typeof(timestamp) = 'integer' AND typeof(data) = 'blob'"


def connect(file: Path) -> Any:
    """Open the database in a file, to read it as it is, without its log; the caller closes it.

    Raises:
        ValueError: The file cannot be opened.
    """
    try:
        return apsw.Connection(
            f"file:{quote(str(file))}?immutable=1", flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
        )
    except apsw.Error as error:
        raise ValueError(str(error)) from None


class Database:
    """The topics and messages of a bag.

    Args:
        connection: The open database; it is changed so that a long query can be interrupted.
        size: Of its file, bytes.

    Raises:
        ValueError: Here and in all methods: what is damaged, not supported, or more than the file holds.
    """

    def __init__(self, connection: Any, size: int) -> None:
        self._connection, self._size, self._steps_left = connection, size, 0
        connection.limit(apsw.SQLITE_LIMIT_LENGTH, MAX_MESSAGE_BYTES + _ROW_BYTES)
        connection.set_progress_handler(self._count_steps, _STEPS)
        for table in ("topics", "messages"):
            self._check_table(table)

    def topics(self) -> list[tuple[int, str, str, str]]:
        """Number, name, type and serialization of every topic."""
        topics = list(self._rows("SELECT id, name, type, serialization_format FROM topics NOT INDEXED"))
        for topic in topics:
            if [type(value) for value in topic] != [int, str, str, str]:
                raise ValueError("a topic whose number is no number, or whose name or type is no text")
        return sorted(topics)

    def check_messages(self) -> tuple[int, int, int]:
        """Check all messages but for their data, so that they can be sorted.

        Returns:
            Their number, and first and last time of reception, ns; zeros without messages.
        """
        query = f"SELECT count(*), min(timestamp), max(timestamp), total(octet_length(data)), total({_OF_A_MESSAGE})"
        ((count, first, last, size, good),) = self._rows(f"{query} FROM messages")
        if good != count:
            raise ValueError(f"{count - good:.0f} messages without topic, time or data")
        if size > self._size:
            raise ValueError(f"{size:.0f} bytes of messages in a file of {self._size}")
        return (count, first, last) if count else (0, 0, 0)

    def counts(self) -> dict[int, int]:
        """Number of messages by number of the topic."""
        return dict(self._rows("SELECT topic_id, count(*) FROM messages GROUP BY topic_id"))

    def messages(self, topics: Sequence[int], *, as_written: bool = False) -> Iterator[tuple[int, int, bytes]]:
        """Messages of these topics as (topic, time of reception in ns, bytes), by time or as in the table."""
        chosen = f"WHERE topic_id IN ({','.join('?' * len(topics))})"
        rest = f"NOT INDEXED {chosen}" if as_written else f"{chosen} ORDER BY timestamp"
        return self._rows(f"SELECT topic_id, timestamp, data FROM messages {rest}", topics)

    def whole_messages(self) -> Iterator[tuple[int, int, bytes | None]]:
        """The same of all topics, as in the table, that is in the order of writing; without bytes if damaged."""
        good = f"{_OF_A_MESSAGE} AND octet_length(data) <= {MAX_MESSAGE_BYTES}"
        return self._rows(f"SELECT topic_id, timestamp, CASE WHEN {good} THEN data END FROM messages NOT INDEXED")

    def _check_table(self, name: str) -> None:
        # SQLite compares type and name with the text when it loads them; that of a virtual table begins otherwise
        query = "SELECT type = 'table' AND rootpage > 0 AND sql LIKE 'CREATE TABLE%' FROM sqlite_master"
        if list(self._rows(f"{query} WHERE name = '{name}' COLLATE NOCASE")) != [(1,)]:
            raise ValueError(f"{name} is not a table, others are not supported")
        if any(hidden for *_, hidden in self._rows(f"PRAGMA table_xinfo({name})")):
            raise ValueError(f"generated columns of {name} are not supported")

    def _rows(self, query: str, arguments: Sequence[int] = ()) -> Iterator[Any]:
        left = self._size
        self._steps_left = _LEAST_STEPS + _STEPS_PER_BYTE * self._size
        try:
            for row in self._connection.execute(query, tuple(arguments)):
                left -= 1 + sum(len(value) for value in row if isinstance(value, str | bytes))
                if left < 0:
                    raise ValueError(f"rows of more bytes than the {self._size} of the file")
                yield row
        except apsw.Error as error:
            raise ValueError(str(error)) from None

    def _count_steps(self) -> bool:
        """Called by SQLite while a query runs, which ends with what is raised here: also by the handler of a signal."""
        self._steps_left -= _STEPS
        if self._steps_left < 0:
            raise ValueError(f"a query that takes too long for the {self._size} bytes of the file")
        return False
