"""What is measured is what runs: a recording of the running graph, replayed offline, gives the same to the bit."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bringup.replay import replay
from episodes.bag import EpisodeReader, EpisodeWriter
from episodes.metadata import EpisodeError
from node_kit.testing import free_port

pytestmark = pytest.mark.graph

MODELS = Path(__file__).resolve().parents[3] / "models"
KINDS = ("arm commands", "hand commands", "latent actions", "latent states")
SECONDS = 6.0


@pytest.fixture(scope="module")
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the recorder wrote of a few seconds of the demo with the shipped models."""
    folder = tmp_path_factory.mktemp("live")
    argv = [sys.executable, "-m", "bringup.demo", f"codec:={MODELS / 'codec'}", f"policy:={MODELS / 'policy'}"]
    argv += [f"port:={free_port()}", f"seconds:={SECONDS}"]
    env = {**os.environ, "CROSSHAND_WS": str(folder)}
    done = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=180.0)
    assert done.returncode == 0, done.stdout + done.stderr
    (found,) = folder.glob("out/run-*/bag/*")
    return found


def copy(bag: Path, to: Path, change: Callable[[str, int, Any], Any]) -> Path:
    """A bag with every message as `change(topic, number on its topic, message)` returns it; None leaves it out."""
    counts: dict[str, int] = {}
    with EpisodeReader(bag) as reader, EpisodeWriter(to, reader.metadata) as writer:
        for record in reader.records():
            number = counts[record.topic] = counts.get(record.topic, -1) + 1
            message = change(record.topic, number, record)
            if message is not None:
                writer.write(record.topic, record.msgtype, record.log_ns, message)
    return to


def test_a_live_run_replayed_offline_gives_what_was_recorded_to_the_bit(bag: Path) -> None:
    report = replay(bag, MODELS / "policy", MODELS / "codec")
    assert report.differences == []
    assert set(report.recorded) == {f"{side} {kind}" for side in ("left", "right") for kind in KINDS}
    assert report.complete and min(report.recorded.values()) > 10


def test_one_other_bit_in_one_command_is_found(bag: Path, tmp_path: Path) -> None:
    def disturb(topic: str, number: int, record: Any) -> Any:
        message = record.decode() if (topic, number) == ("/left/hand/command", 5) else None
        if message is None:
            return record.raw
        positions = message.points[1].positions = message.points[1].positions.copy()
        positions.view("u8")[3] ^= 1
        return message

    report = replay(copy(bag, tmp_path / "bag", disturb), MODELS / "policy", MODELS / "codec")
    missed = {kind: count - report.reproduced[kind] for kind, count in report.recorded.items()}
    assert missed.pop("left hand commands") == 1 and not any(missed.values())
    assert len(report.differences) == 1 and report.differences[0].endswith("other values")


def test_a_bag_without_what_decisions_were_made_from_is_refused(bag: Path, tmp_path: Path) -> None:
    def omit(topic: str, number: int, record: Any) -> Any:
        return None if topic == "/right/observation" else record.raw

    partial = copy(bag, tmp_path / "bag", omit)
    with pytest.raises(EpisodeError, match="no messages on /right/observation"):
        replay(partial, MODELS / "policy", MODELS / "codec")


@pytest.mark.parametrize("kind", ["/left/arm/joint_states", "image_raw"])
def test_a_bag_with_a_clock_that_was_set_back_is_refused_by_topic(bag: Path, tmp_path: Path, kind: str) -> None:
    def set_back(topic: str, number: int, record: Any) -> Any:
        message = record.decode() if topic.endswith(kind) and number > 30 else None
        if message is None:
            return record.raw
        message.header.stamp.sec -= 1
        return message

    policy, codec = MODELS / "policy", MODELS / "codec"
    with pytest.raises(EpisodeError, match=rf"{kind}: found stamped at times that go back: the clock was set back by"):
        replay(copy(bag, tmp_path / "bag", set_back), policy, codec)


def test_a_decision_whose_image_was_lost_is_not_reproduced(bag: Path, tmp_path: Path) -> None:
    images = {topic for topic in EpisodeReader(bag).topics if topic.endswith("image_raw")}
    policy, codec = MODELS / "policy", MODELS / "codec"

    def omit(topic: str, number: int, record: Any) -> Any:
        return None if topic in images and number > 30 else record.raw

    report = replay(copy(bag, tmp_path / "bag", omit), policy, codec)
    assert report.differences[-1].endswith("its image is not recorded")
    assert not report.complete and report.reproduced["left latent actions"] > 5
    assert report.reproduced["left arm commands"] == report.recorded["left arm commands"]
