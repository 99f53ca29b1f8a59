"""The recording behind the recorder: it never blocks, its queue is bounded, what it drops is counted."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from episode_bags import IMAGE, START_NS, metadata, picture

from episodes import messages, recording
from episodes.bag import EpisodeReader, is_complete, read
from episodes.recording import Recording
from episodes.statistics import losses

MESSAGE = bytes(messages.typestore().serialize_cdr(messages.image(START_NS, picture(0)), messages.IMAGE))


def offer(target: Recording, count: int, first: int = 0) -> list[bool]:
    return [target.offer(IMAGE, messages.IMAGE, START_NS + first + i, MESSAGE) for i in range(count)]


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """A disk that writes only when the event is set."""
    released = threading.Event()
    real = recording.shutil.disk_usage

    def slow(path: Path) -> object:
        assert released.wait(10.0)
        return real(path)

    monkeypatch.setattr(recording.shutil, "disk_usage", slow)
    return released


def test_every_offered_message_is_in_the_bag_in_order(tmp_path):
    target = Recording(tmp_path / "bag", metadata(), min_free_bytes=0)
    assert all(offer(target, 500))
    target.close()
    assert [at - START_NS for _, at, _ in read(tmp_path / "bag")] == list(range(500))
    assert (target.messages, target.bytes, sum(target.dropped.values())) == (500, 500 * len(MESSAGE), 0)


def test_messages_beyond_the_queue_are_dropped_and_counted_in_the_bag(tmp_path, held):
    target = Recording(tmp_path / "bag", metadata(), queue_bytes=10 * (len(MESSAGE) + 256), min_free_bytes=0)
    accepted = offer(target, 25)
    assert accepted == [True] * 10 + [False] * 15, "also what is being written takes room"
    assert target.dropped == {IMAGE: 15}
    held.set()
    target.close()
    with EpisodeReader(tmp_path / "bag") as reader:
        assert reader.topics[IMAGE].count == 10
        assert losses(reader).dropped == {IMAGE: 15}


def test_messages_without_content_fill_the_queue_too(tmp_path, held):
    target = Recording(tmp_path / "bag", metadata(), queue_bytes=10_000, min_free_bytes=0)
    assert sum(target.offer(IMAGE, messages.IMAGE, START_NS, b"") for _ in range(1000)) < 50
    held.set()
    target.close()


def test_queue_space_is_freed_when_messages_are_written(tmp_path):
    target = Recording(tmp_path / "bag", metadata(), queue_bytes=20 * len(MESSAGE), min_free_bytes=0)
    written = 0
    pause = threading.Event()
    for number in range(300):
        for _ in range(1000):  # bounded wait for room
            if target.offer(IMAGE, messages.IMAGE, START_NS + number, MESSAGE):
                written += 1
                break
            pause.wait(0.01)
    target.close()
    assert written == target.messages == 300


def test_a_full_disk_ends_the_recording_with_a_readable_bag(tmp_path):
    target = Recording(tmp_path / "bag", metadata(), min_free_bytes=1 << 62)
    offer(target, 3)
    target.close()
    assert "MiB free on the disk" in target.failure
    assert target.dropped == {IMAGE: 3}
    assert not any(offer(target, 2))
    assert target.dropped == {IMAGE: 5}
    assert is_complete(tmp_path / "bag")
    with EpisodeReader(tmp_path / "bag") as reader:
        assert reader.metadata == metadata()


def test_a_failure_is_told_once_also_if_the_bag_cannot_be_closed_either(tmp_path, monkeypatch):
    def refuse(_: object) -> None:
        raise OSError("no space left for the index")

    told: list[str] = []
    monkeypatch.setattr("episodes.bag.EpisodeWriter.close", refuse)
    full = Recording(tmp_path / "full", metadata(), min_free_bytes=1 << 62, on_failure=told.append)
    offer(full, 3)
    full.close()
    assert told == [full.failure]
    assert "MiB free on the disk" in full.failure
    unclosed = Recording(tmp_path / "unclosed", metadata(), min_free_bytes=0, on_failure=told.append)
    offer(unclosed, 3)
    unclosed.close()
    assert told[1:] == [unclosed.failure] == ["no space left for the index"]


def test_messages_lost_before_the_recorder_are_reported_in_the_bag(tmp_path):
    target = Recording(tmp_path / "bag", metadata(), min_free_bytes=0)
    target.lost["/left/arm/joint_states"] += 4
    target.close()
    with EpisodeReader(tmp_path / "bag") as reader:
        assert losses(reader).lost == {"/left/arm/joint_states": 4}


def test_closing_twice_is_harmless(tmp_path):
    target = Recording(tmp_path / "bag", metadata(), min_free_bytes=0)
    offer(target, 1)
    target.close()
    target.close()
    assert np.array_equal(messages.image_array(next(iter(read(tmp_path / "bag")))[2]), picture(0))
