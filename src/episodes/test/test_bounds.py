"""Of a file of a stranger no more is read than it holds, whatever it says of the length of its parts."""

from __future__ import annotations

import sqlite3
import struct
import sys
from pathlib import Path

import pytest
from episode_bags import IMAGE, START_NS, metadata, mixed_bag, picture

from episodes import database, mcap
from episodes.bag import EpisodeReader, EpisodeWriter
from episodes.metadata import EpisodeError
from episodes.repair import repair

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

TOPICS = """CREATE TABLE topics(id INTEGER PRIMARY KEY, name TEXT, type TEXT, serialization_format TEXT);
    INSERT INTO topics VALUES(1, '/a', 'sensor_msgs/msg/Image', 'cdr');"""
MESSAGES = "CREATE TABLE messages(id INTEGER PRIMARY KEY, topic_id INTEGER, timestamp INTEGER, data BLOB);"
NUMBERS = "WITH RECURSIVE number(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM number LIMIT 3000) "
FILL = f"{NUMBERS} INSERT INTO messages(id, topic_id, timestamp) SELECT x, 1, x FROM number;"
GENERATED = MESSAGES.replace("data BLOB", "data BLOB GENERATED ALWAYS AS (zeroblob(99)) VIRTUAL") + FILL
VIEW = f"CREATE VIEW messages AS {NUMBERS} SELECT x AS id, 1 AS topic_id, x AS timestamp, x'00' AS data FROM number;"
TOPIC_VIEW = (
    f"CREATE VIEW topics AS {NUMBERS} SELECT x AS id, x AS name, x AS type, x AS serialization_format FROM number;"
)
VIRTUAL = "CREATE VIRTUAL TABLE messages USING fts5(id, topic_id, timestamp, data);"
ENDLESS = "CREATE VIEW schema AS WITH RECURSIVE x(i) AS (SELECT 1 UNION ALL SELECT i FROM x) SELECT max(i) FROM x;"
BY_DEFAULT = (
    f"CREATE TABLE messages(id INTEGER PRIMARY KEY, topic_id INTEGER, timestamp INTEGER); {FILL}"
    f"ALTER TABLE messages ADD COLUMN data BLOB DEFAULT x'{'00' * 10_000}';"
)
LONG = 1 << 36  # bytes of a hole in a file, which takes no room on the disk


def database_of(path: Path, *tables: str) -> Path:
    connection = sqlite3.connect(path)
    connection.executescript("".join(tables))
    connection.close()
    return path


def with_messages(path: Path, *rows: str) -> Path:
    return database_of(path, TOPICS, MESSAGES, *(f"INSERT INTO messages VALUES({row});" for row in rows))


def messages_of(path: Path, *, as_written: bool = False) -> list[tuple[int, bytes]]:
    with EpisodeReader(path) as reader:
        return [(record.log_ns, record.raw) for record in reader.records(as_written=as_written)]


def hole(code: int) -> bytes:
    """The head of a record whose content is a hole."""
    return mcap.HEAD.pack(code, LONG)


def write_around(path: Path, before: bytes, after: bytes) -> Path:
    """A file with a hole."""
    with path.open("wb") as stream:
        stream.write(before)
        stream.seek(LONG, 1)
        stream.write(after)
    return path


def unfinished(path: Path) -> Path:
    """A bag of one picture that is never closed."""
    writer = EpisodeWriter(path, metadata(None))
    writer.write_image(IMAGE, START_NS, picture(0))
    writer.flush()
    writer.abort()
    return path / f"{path.name}.mcap"


@pytest.mark.parametrize(
    "tables",
    [(TOPICS, GENERATED), (TOPICS, VIEW), (TOPIC_VIEW, MESSAGES), (TOPICS, VIRTUAL)],
    ids=["generated column", "view of messages", "view of topics", "virtual table"],
)
def test_a_database_of_other_than_ordinary_tables_is_refused(tmp_path, tables):
    path = database_of(tmp_path / "bag.db3", *tables)
    with pytest.raises(EpisodeError, match="not supported"):
        messages_of(path)
    with pytest.raises(EpisodeError, match="no whole message"):
        repair(path)
    assert [file.name for file in tmp_path.iterdir()] == ["bag.db3"]


def test_other_tables_of_a_database_are_not_read(tmp_path):
    path = database_of(tmp_path / "bag.db3", TOPICS, MESSAGES, ENDLESS, "INSERT INTO messages VALUES(1, 1, 5, x'00');")
    assert messages_of(path) == [(5, b"\0")]


def test_messages_of_more_bytes_than_their_database_are_refused(tmp_path):
    path = database_of(tmp_path / "bag.db3", TOPICS, BY_DEFAULT)
    with pytest.raises(EpisodeError, match="30000000 bytes of messages in a file of "):
        messages_of(path)
    size = path.stat().st_size
    done = repair(path)
    assert done.messages <= size / 10_000
    assert "1 damaged records of bag.db3" in done.lost


def test_a_message_that_is_too_long_is_refused_and_left_out_by_repair(tmp_path, monkeypatch):
    monkeypatch.setattr(database, "MAX_MESSAGE_BYTES", 1000)
    path = with_messages(tmp_path / "bag.db3", "1, 1, 5, x'00'", "2, 1, 6, zeroblob(5000)", "3, 1, 7, x'01'")
    for as_written in (False, True):
        with pytest.raises(EpisodeError, match=r"too (big|long)"):
            messages_of(path, as_written=as_written)
    done = repair(path)
    assert (done.messages, done.lost) == (2, "1 damaged records of bag.db3")
    assert messages_of(done.path) == [(5, b"\0"), (7, b"\x01")]


def test_rows_without_topic_time_or_data_are_left_out_by_repair(tmp_path):
    rows = [
        "1, 'a', 5, x'00'",
        "2, 1, x'00', x'00'",
        "3, 1, 5, NULL",
        "4, 1, -5, x'00'",
        "5, 1, 5, 'a'",
        "6, 1, 5, x'02'",
    ]
    path = with_messages(tmp_path / "bag.db3", *rows)
    with pytest.raises(EpisodeError, match="4 messages without topic, time or data"):
        messages_of(path)
    done = repair(path)
    assert (done.messages, done.lost) == (1, "5 damaged records of bag.db3")


def test_a_signal_ends_a_query_that_runs(tmp_path, monkeypatch):
    def handler(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(database.Database, "_count_steps", handler)  # as if a signal were handled there
    path = database_of(tmp_path / "bag.db3", TOPICS, MESSAGES, FILL)
    with pytest.raises(KeyboardInterrupt):
        messages_of(path)


def test_a_query_of_more_steps_than_its_file_is_worth_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(database, "_LEAST_STEPS", 0)
    monkeypatch.setattr(database, "_STEPS_PER_BYTE", 0)
    path = database_of(tmp_path / "bag.db3", TOPICS, MESSAGES, FILL)
    with pytest.raises(EpisodeError, match="a query that takes too long"):
        messages_of(path)


@pytest.mark.parametrize("code", [mcap.METADATA, mcap.SCHEMA, mcap.CHANNEL, mcap.MESSAGE, mcap.CHUNK])
def test_a_record_that_is_too_long_is_left_out_by_repair(tmp_path, code):
    file = unfinished(tmp_path / "bag")
    content = file.read_bytes()
    write_around(file, content + hole(code), content[len(mcap.MAGIC) :])
    done = repair(tmp_path / "bag")
    assert (done.messages, done.described) == (2, True)
    assert done.lost == ("" if code == mcap.METADATA else "1 damaged records of bag.mcap")


@pytest.mark.parametrize("code", [mcap.SCHEMA, mcap.CHANNEL, mcap.MESSAGE])
def test_a_record_that_makes_no_sense_is_left_out_by_repair(tmp_path, code):
    file = unfinished(tmp_path / "bag")
    with file.open("ab") as stream:
        stream.write(mcap.HEAD.pack(code, 8) + b"\xff" * 8)
    done = repair(tmp_path / "bag")
    assert (done.messages, done.lost) == (1, "1 damaged records of bag.mcap")


@pytest.mark.parametrize("code", [mcap.SCHEMA, mcap.CHANNEL, mcap.MESSAGE, mcap.CHUNK])
def test_a_file_without_an_index_with_a_too_long_record_is_refused(tmp_path, code):
    file = mixed_bag(tmp_path / "mixed", "protobuf", "protobuf", indexed=False) / "mixed.mcap"
    content = file.read_bytes()
    end = len(content) - len(mcap.MAGIC) - 29 - 13  # of the data: a footer and the record before it follow
    write_around(file, content[:end] + hole(code), content[end:])
    with pytest.raises(EpisodeError, match="1 records are too long"):
        messages_of(tmp_path / "mixed")


def test_a_header_that_is_too_long_is_refused(tmp_path):
    file = write_around(tmp_path / "bag.mcap", mcap.MAGIC + hole(mcap.HEADER), b"")
    with pytest.raises(EpisodeError, match="at most 1048576 are read"):
        messages_of(file)


@pytest.mark.parametrize("checksum", [0, 7])
def test_an_index_that_is_too_long_is_refused(tmp_path, checksum):
    file = unfinished(tmp_path / "bag")
    content = file.read_bytes()
    footer = struct.pack("<BQQQI", mcap.FOOTER, 20, len(content), 0, checksum)
    write_around(file, content, footer + mcap.MAGIC)
    with pytest.raises(EpisodeError, match=r"an index of [0-9]+ bytes, at most 268435456 are read"):
        messages_of(file)


def test_an_index_that_leads_to_a_record_that_is_too_long_is_refused(tmp_path):
    file = write_around(tmp_path / "bag.mcap", hole(mcap.CHUNK), b"")
    with file.open("rb") as stream, pytest.raises(ValueError, match="at most 1073741824 are read"):
        mcap.record_at(stream, 0)


@pytest.mark.parametrize("declared", [100, 2 << 30])
def test_no_more_of_a_chunk_is_unpacked_than_it_declares(declared):
    packed = zstd.compress(bytes(1 << 24))
    content = struct.pack("<QQQI", 0, 0, declared, 0) + struct.pack("<I", 4) + b"zstd"
    with pytest.raises(Exception, match=r"expected 100 bytes, got 101|a chunk of 2147483648 bytes"):
        mcap.records_of_chunk(content + struct.pack("<Q", len(packed)) + packed)


def test_messages_of_chunks_that_overlap_are_read_in_order(tmp_path):
    times = [5, 1, 9, 9, 3, 2, 8, 8, 0, 9]
    with EpisodeWriter(tmp_path / "bag", metadata()) as writer:
        for index, at in enumerate(times):
            writer.write(IMAGE, "sensor_msgs/msg/Image", at, bytes([index]))
            if index % 3 == 2:
                writer.flush()
    expected = [(at, bytes([index])) for index, at in enumerate(times)]
    assert messages_of(tmp_path / "bag") == sorted(expected)
    assert messages_of(tmp_path / "bag", as_written=True) == expected
