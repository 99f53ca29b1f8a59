"""Bags that were never closed are recovered up to the last whole chunk, with the description that was written first."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from episode_bags import IMAGE, OTHER, START_NS, Episode, metadata, mixed_bag, picture, write_episode
from hypothesis import given, settings
from hypothesis import strategies as st
from rosbags.rosbag2 import StoragePlugin, Writer

from episodes import messages
from episodes.bag import EpisodeReader, EpisodeWriter, read, read_metadata
from episodes.inspect import inspect
from episodes.metadata import EpisodeError
from episodes.recording import Recording
from episodes.repair import repair

STATE = "/left/arm/joint_states"


def chunks_of_pictures(path: Path, count: int, flush_every: int = 2) -> Path:
    """A bag that is never closed."""
    noise = np.random.default_rng(0).integers(0, 256, (count, *picture(0).shape), dtype=np.uint8)
    writer = EpisodeWriter(path, metadata(None))
    for index, rgb in enumerate(noise):
        writer.write_image(IMAGE, START_NS + index, rgb)
        if index % flush_every == flush_every - 1:
            writer.flush()
    writer.abort()
    return path


def content(path: Path) -> list[tuple[str, int]]:
    return [(topic, at - START_NS) for topic, at, _ in read(path)]


def test_a_bag_never_closed_is_recovered_with_its_description(tmp_path):
    path = chunks_of_pictures(tmp_path / "bag", 8)
    with pytest.raises(EpisodeError, match=r"no metadata\.yaml, expected .* inspect --repair"):
        read_metadata(path)
    done = repair(path)
    assert (done.path, done.messages, done.described, done.lost) == (path, 8, True, "")
    assert content(path) == [(IMAGE, index) for index in range(8)]
    assert read_metadata(path) == metadata(None)
    assert (path / "bag.mcap.damaged").is_file(), "the original is kept"


@settings(max_examples=25)
@given(fraction=st.floats(0.05, 1.0))
def test_a_cut_bag_gives_every_whole_chunk_before_the_cut(tmp_path_factory, fraction):
    path = chunks_of_pictures(tmp_path_factory.mktemp("bags") / "bag", 8, flush_every=1)
    file = path / "bag.mcap"
    raw = file.read_bytes()
    file.write_bytes(raw[: int(fraction * len(raw))])
    try:
        done = repair(path)
    except EpisodeError as error:
        assert fraction < 0.3
        assert "no whole message" in str(error)
    else:
        assert content(path) == [(IMAGE, index) for index in range(done.messages)]
        assert done.messages >= int(fraction * 8) - 1


def test_a_damaged_chunk_is_left_out_and_reported_and_the_others_recovered(tmp_path):
    path = chunks_of_pictures(tmp_path / "bag", 6)
    raw = bytearray((path / "bag.mcap").read_bytes())
    raw[len(raw) // 2] ^= 0xFF
    (path / "bag.mcap").write_bytes(raw)
    done = repair(path)
    assert (done.messages, done.lost) == (4, "1 damaged records of bag.mcap")
    assert content(path) == [(IMAGE, index) for index in (0, 1, 4, 5)]


def test_a_bare_file_is_recovered_in_its_place(tmp_path):
    path = chunks_of_pictures(tmp_path / "bag", 4)
    file = shutil.move(path / "bag.mcap", tmp_path / "loose.mcap")
    assert repair(Path(file)).path == tmp_path / "loose.mcap"
    assert content(tmp_path / "loose.mcap") == [(IMAGE, index) for index in range(4)]
    assert read_metadata(tmp_path / "loose.mcap") == metadata(None)


def test_messages_in_the_log_of_an_open_database_are_recovered(tmp_path):
    path, types = tmp_path / "bag", messages.typestore()
    with Writer(path, version=9, storage_plugin=StoragePlugin.SQLITE3) as writer:
        connection = writer.add_connection(STATE, messages.JOINT_STATE, typestore=types)
        writer.write(
            connection,
            START_NS,
            types.serialize_cdr(messages.joint_state(0, ("a",), np.zeros(1)), messages.JOINT_STATE),
        )
    (path / "metadata.yaml").unlink()
    database = sqlite3.connect(path / "bag.db3")
    database.execute("PRAGMA journal_mode=WAL")
    database.execute(
        "INSERT INTO messages(topic_id, timestamp, data) SELECT topic_id, timestamp + 1, data FROM messages"
    )
    database.commit()
    killed = shutil.copytree(path, tmp_path / "killed")
    database.close()
    with pytest.raises(EpisodeError, match=r"bag\.db3-wal: found messages that are not in the database yet"):
        content(killed / "bag.db3")
    assert repair(killed).messages == 2
    assert content(killed) == [(STATE, 0), (STATE, 1)]


def test_a_file_in_which_nothing_is_whole_stays_as_it_is(tmp_path):
    (tmp_path / "bag").mkdir()
    (tmp_path / "bag" / "bag.mcap").write_bytes(b"\x89MCAP0\r\n" + bytes(20))
    with pytest.raises(EpisodeError, match="bag: found no whole message"):
        repair(tmp_path / "bag")
    assert [file.name for file in (tmp_path / "bag").iterdir()] == ["bag.mcap"]


@pytest.mark.parametrize("taken", ["bag.mcap", "bag.db3.damaged"])
def test_a_repair_whose_places_are_taken_moves_nothing(tmp_path, taken):
    with Writer(tmp_path / "bag", version=9, storage_plugin=StoragePlugin.SQLITE3) as writer:
        connection = writer.add_connection(STATE, messages.JOINT_STATE, typestore=messages.typestore())
        writer.write(connection, START_NS, b"")
    file = Path(shutil.move(tmp_path / "bag" / "bag.db3", tmp_path / "bag.db3"))
    shutil.rmtree(tmp_path / "bag")
    (tmp_path / taken).write_text("mine")
    with pytest.raises(EpisodeError, match=f"{taken}: found a file, expected none, it is not overwritten"):
        repair(file)
    assert sorted(each.name for each in tmp_path.iterdir()) == sorted(["bag.db3", taken])
    assert (tmp_path / taken).read_text() == "mine"


def test_a_repair_removes_what_repairs_that_were_killed_left(tmp_path):
    path = chunks_of_pictures(tmp_path / "bag", 4)
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    for place in (f"{ended.pid}.a", f"{os.getpid()}.a", "notes"):
        (path / f".repair-{place}" / "bag").mkdir(parents=True)
    repair(path)
    assert {each.name for each in path.glob(".repair-*")} == {f".repair-{os.getpid()}.a", ".repair-notes"}


def test_types_that_are_not_standard_survive_a_repair(tmp_path):
    with EpisodeWriter(tmp_path / "bag", metadata()) as writer:
        writer.add_topic("/own", "lab_msgs/msg/Own", definition="int32 value")
        writer.write("/own", "lab_msgs/msg/Own", START_NS, b"\x00\x01\x00\x00\x07\x00\x00\x00")
    (tmp_path / "bag" / "metadata.yaml").unlink()
    repair(tmp_path / "bag")
    with EpisodeReader(tmp_path / "bag") as reader:
        (record,) = reader.records()
        assert (record.msgtype, len(record.raw)) == ("lab_msgs/msg/Own", 8)
        with pytest.raises(EpisodeError, match="others are not supported"):
            record.decode()


def test_topics_with_schemas_that_are_not_of_ros_survive_a_repair(tmp_path):
    path = mixed_bag(tmp_path / "mixed", "protobuf", "protobuf")
    (path / "metadata.yaml").unlink()
    assert repair(path).messages == 2
    with EpisodeReader(path) as reader:
        assert {name: topic.serialization for name, topic in reader.topics.items()} == {STATE: "cdr", OTHER: "protobuf"}


def test_a_recording_is_on_disk_while_it_runs(tmp_path, monkeypatch):
    flushed, flush = threading.Event(), EpisodeWriter.flush

    def announced(writer: EpisodeWriter) -> None:
        flush(writer)
        if writer.counts:
            flushed.set()

    monkeypatch.setattr("episodes.recording.FLUSH_S", 0.0)
    monkeypatch.setattr(EpisodeWriter, "flush", announced)
    raw = bytes(messages.typestore().serialize_cdr(messages.image(START_NS, picture(0)), messages.IMAGE))
    target = Recording(tmp_path / "bag", metadata(None), min_free_bytes=0)
    target.offer(IMAGE, messages.IMAGE, START_NS, raw)
    assert flushed.wait(30.0)
    shutil.copytree(tmp_path / "bag", tmp_path / "copy")  # as if the machine lost its power now
    target.close()
    assert repair(tmp_path / "copy").messages == 1
    assert read_metadata(tmp_path / "copy") == metadata(None)


def test_the_command_repairs_what_is_not_closed_and_leaves_what_is(tmp_path):
    chunks_of_pictures(tmp_path / "bags" / "killed", 4)
    good = write_episode(tmp_path / "bags" / "good", Episode())
    before = (good / "good.mcap").read_bytes()
    command = [sys.executable, "-m", "episodes.inspect", "--repair", str(tmp_path / "bags")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "killed: 4 messages of 1 topics recovered, with its description" in done.stderr
    assert inspect(tmp_path / "bags" / "killed")["verdict"] == []
    assert (good / "good.mcap").read_bytes() == before
