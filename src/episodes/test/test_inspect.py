"""What inspection reports of a bag with a known gap, known ages and known losses."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from episode_bags import IMAGE, MS, START_NS, STREAMS, Episode, metadata, picture, write_episode

from episodes import messages
from episodes.bag import EpisodeWriter
from episodes.inspect import inspect
from episodes.metadata import LOSSES_KEY, Losses

STATE = "/left/arm/joint_states"


@pytest.fixture
def gappy(tmp_path: Path) -> Path:
    """Frames every 100 ms but for 800, 900 and 1000, received 30 ms after their stamp, the one at 500 80 ms after."""
    with EpisodeWriter(tmp_path / "gappy", metadata()) as writer:
        for at in (at for at in range(0, 2000, 100) if not 800 <= at <= 1000):
            writer.write(IMAGE, "sensor_msgs/msg/Image", _received(at), _image(at))
        for at in range(0, 2000, 20):
            writer.write_joint_state(STATE, START_NS + at * MS, ("a",), np.zeros(1))
        writer.notes[LOSSES_KEY] = Losses(dropped={IMAGE: 2}, lost={STATE: 5}).model_dump_json()
    return tmp_path / "gappy"


def _received(at: int) -> int:
    return START_NS + (at + (80 if at == 500 else 30)) * MS


def _image(at: int) -> object:
    return messages.image(START_NS + at * MS, picture(at))


def topics(path: Path) -> dict[str, dict]:
    return {topic["topic"]: topic for topic in inspect(path)["topics"]}


def test_rates_and_gaps_are_those_of_the_stamps(gappy):
    image, state = topics(gappy)[IMAGE], topics(gappy)[STATE]
    assert (image["count"], state["count"]) == (17, 100)
    assert image["rate_hz"] == pytest.approx(16 / 1.9)
    assert (image["max_gap_s"], image["gap_at_s"]) == pytest.approx((0.4, 0.7))
    assert image["holes"] == 3
    assert (state["rate_hz"], state["max_gap_s"], state["holes"]) == (pytest.approx(50.0), pytest.approx(0.02), 0)


def test_ages_are_from_acquisition_to_reception(gappy):
    image = topics(gappy)[IMAGE]
    assert image["age_p50_s"] == pytest.approx(0.03)
    assert image["age_max_s"] == pytest.approx(0.08)
    assert image["disordered"] == 0


def test_losses_are_what_the_recorder_counted(gappy):
    image, state = topics(gappy)[IMAGE], topics(gappy)[STATE]
    assert (image["dropped"], image["lost"]) == (2, 0)
    assert (state["dropped"], state["lost"]) == (0, 5)


def test_a_bag_of_another_writer_reports_no_losses(bag):
    assert {(topic["dropped"], topic["lost"]) for topic in topics(bag).values()} == {(None, None)}


def test_metadata_and_duration_are_reported(bag):
    report = inspect(bag)
    assert report["metadata"]["task"] == "pick_place"
    assert report["duration_s"] == pytest.approx(2.0, abs=0.06)


def test_too_few_messages_have_no_rate(tmp_path):
    image = topics(write_episode(tmp_path / "bag", Episode(seconds=0.15)))[IMAGE]
    assert (image["count"], image["rate_hz"], image["max_gap_s"], image["holes"]) == (2, None, None, None)


def test_the_verdict_names_every_topic_whose_clock_was_set_back(tmp_path):
    bag = write_episode(tmp_path / "bag", Episode(set_back_ms=700))
    problems = inspect(bag)["verdict"]
    assert len(problems) == len((IMAGE, *STREAMS))
    assert f"{IMAGE}: the clock was set back by 0.600 s, 0.90 s after the first message; not converted" in problems


def test_the_verdict_of_a_good_bag_is_empty_and_losses_are_in_it(bag, gappy):
    assert inspect(bag)["verdict"] == []
    assert inspect(gappy)["verdict"] == [
        f"{IMAGE}: 0 messages lost, 2 dropped",
        f"{STATE}: 5 messages lost, 0 dropped",
    ]


def test_brackets_in_a_task_are_printed_as_they_are(tmp_path):
    bag = write_episode(tmp_path / "bag", Episode(changes={"task": "put [red] can into [/tray]"}))
    assert "put [red] can into [/tray]" in _command(str(bag)).stdout


def test_a_folder_with_a_bag_that_was_not_closed_names_it(bag):
    EpisodeWriter(bag.parent / "killed", metadata()).abort()
    done = _command(str(bag.parent))
    assert (done.returncode, "killed: not closed; --repair recovers" in done.stderr) == (0, True)


def test_the_command_prints_a_table_and_writes_the_same_figures_as_json(gappy, tmp_path):
    done = _command(str(gappy), "--json", str(tmp_path / "figures.json"))
    assert done.returncode == 0, done.stderr
    assert IMAGE in done.stdout
    assert "400.0" in done.stdout, "the gap in milliseconds"
    (report,) = json.loads((tmp_path / "figures.json").read_text())
    assert report == inspect(gappy)


def test_the_command_refuses_a_damaged_bag_in_one_line(gappy):
    file = gappy / "gappy.mcap"
    file.write_bytes(file.read_bytes()[:-100])
    done = _command(str(gappy))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"error: {gappy}: ")
    assert done.stderr.count("\n") == 1


def _command(*arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "episodes.inspect", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("set_back", [0, 700], ids=["one node stalls", "the clock is set back"])
def test_a_late_report_of_one_node_is_no_clock_that_was_set_back(tmp_path, set_back):
    kind = "diagnostic_msgs/msg/DiagnosticArray"
    with EpisodeWriter(tmp_path / "bag", metadata()) as writer:
        for at in range(0, 3000, 100):
            received = START_NS + (at - (set_back if at >= 2000 else 0)) * MS
            stamp = received - (300 * MS if at == 1000 else 0)
            report = messages.typestore().types[kind](header=messages.header(stamp), status=[])
            writer.write("/diagnostics", kind, received, report)
    assert bool(topics(tmp_path / "bag")["/diagnostics"]["clock"]) == bool(set_back)
