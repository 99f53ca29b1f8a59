"""Bags become training episodes whole and aligned, or are refused by name; nothing is converted twice."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from episode_bags import IMAGE, MS, SIZE, START_NS, STREAMS, Episode, sentinel, write_episode
from hypothesis import given, settings
from hypothesis import strategies as st
from rosbags.rosbag2 import StoragePlugin, Writer

from contracts import command_line
from contracts.image_contract import Framing
from episodes import messages
from episodes.bag import EpisodeReader
from episodes.convert import Report, command, convert, find_bags
from episodes.dataset import load_arrays, load_dataset, save_dataset
from episodes.extract import Settings, extract
from episodes.metadata import Description, EpisodeError, load_description
from episodes.sampling import Limits

SETTINGS = Settings(size=SIZE)
STATE, COMMAND = "/left/arm/joint_states", "/left/hand/command"


def key_of(topic: str) -> str:
    _, side, part, name = topic.split("/")
    return f"{side}.{part}.{'position' if name == 'joint_states' else 'command'}"


def run(folder: Path, out: Path, **options: object) -> Report:
    return convert(find_bags([folder]), out, SETTINGS, **options)


def refusal(tmp_path: Path, episode: Episode) -> str:
    """Why an episode is refused; it must leave nothing behind."""
    bag = write_episode(tmp_path / "refused", episode)
    report = run(bag, tmp_path / "data")
    assert (report.converted, len(report.refused)) == (0, 1)
    assert load_dataset(tmp_path / "data").episodes == []
    assert list((tmp_path / "data").glob("*.npz")) == []
    assert report.refused[0].startswith(f"{bag}: ")
    return report.refused[0]


@settings(max_examples=15)
@given(offset=st.integers(0, 60), every=st.sampled_from([20, 40, 100]))
def test_every_value_at_a_frame_is_the_newest_not_newer_than_the_frame(tmp_path_factory, offset, every):
    keep = lambda at: at >= offset and at % every < 20  # noqa: E731
    episode = Episode(kept=dict.fromkeys(STREAMS, keep))
    bag = write_episode(tmp_path_factory.mktemp("bags") / "bag", episode)
    entry, arrays = extract(bag, SETTINGS, "episode_00000.npz", "bag")
    frames = (arrays["stamp_ns"] - START_NS) // MS
    assert entry.length == len(frames) >= 18
    assert (arrays["image.front"][:, 0, 0, 0] == frames // 20).all()
    for topic in STREAMS:
        instants = np.array([at for at in range(-15, 2000, 20) if keep(at)])
        expected = [sentinel(topic, int(instants[instants <= at].max())) for at in frames]
        assert arrays[key_of(topic)] == pytest.approx(np.array(expected), abs=1e-12)


def test_an_episode_enters_the_dataset_with_all_its_metadata(bag, tmp_path):
    assert run(bag, tmp_path / "data").converted == 1
    dataset = load_dataset(tmp_path / "data")
    (entry,) = dataset.episodes
    assert (dataset.period_s, dataset.cameras) == (0.1, {"front": SIZE})
    assert (entry.task, entry.success, entry.length) == ("pick_place", {"left": True}, 20)
    assert entry.embodiments["left"].hand == "inspire"
    assert entry.joints["left"].arm == ["joint1", "joint2"]
    assert (tmp_path / "data" / entry.source).resolve() == bag.resolve()
    arrays = load_arrays(tmp_path / "data", entry)
    assert {name: array.shape[1:] for name, array in arrays.items()} == {
        "stamp_ns": (),
        "image.front": (*SIZE, 3),
        "left.arm.position": (2,),
        "left.arm.command": (2,),
        "left.hand.position": (3,),
        "left.hand.command": (3,),
    }


def test_a_bag_of_a_station_below_a_namespace_converts_as_one_of_the_root(bag, tmp_path):
    below = write_episode(tmp_path / "below", Episode(changes={"namespace": "hall/robot1"}))
    found, expected = (extract(path, SETTINGS, "episode_00000.npz", "bag") for path in (below, bag))
    assert found[0] == expected[0]
    assert all(np.array_equal(found[1][name], array) for name, array in expected[1].items())


@pytest.mark.parametrize("topic", [IMAGE, *STREAMS])
def test_a_missing_stream_is_refused_by_name(tmp_path, topic):
    text = refusal(tmp_path, Episode(without=(topic,)))
    assert "found nothing, expected " in text
    assert (topic if topic != IMAGE else "/camera/") in text


@pytest.mark.parametrize(("topic", "pause_ms"), [(IMAGE, 150), (STATE, 300), (COMMAND, 700)])
def test_a_gap_is_refused_by_name_and_never_filled(tmp_path, topic, pause_ms):
    text = refusal(tmp_path, Episode(kept={topic: lambda at: not 900 <= at < 900 + pause_ms}))
    assert f"{topic}: found a gap" in text


def test_a_short_gap_keeps_the_newest_value_and_no_zero(tmp_path):
    episode = Episode(kept={STATE: lambda at: not 900 <= at < 1040})
    _, arrays = extract(write_episode(tmp_path / "bag", episode), SETTINGS, "a.npz", "bag")
    at = (arrays["stamp_ns"] - START_NS) // MS
    assert arrays["left.arm.position"][at == 1000] == pytest.approx(sentinel(STATE, 885)[None])


def test_a_state_that_is_always_stale_is_refused(tmp_path):
    bag = write_episode(tmp_path / "bag", Episode())
    strict = Settings(size=SIZE, limits=Limits(state_age_s=0.001))
    report = convert([bag], tmp_path / "data", strict)
    assert "joint_states: found an age of 0.015 s or more" in report.refused[0]


def test_the_ends_without_all_streams_are_cut(tmp_path):
    late = Episode(kept={COMMAND: lambda at: at > 420, STATE: lambda at: at < 1700})
    _, arrays = extract(write_episode(tmp_path / "bag", late), SETTINGS, "a.npz", "bag")
    at = (arrays["stamp_ns"] - START_NS) // MS
    assert (at[0], at[-1]) == (500, 1800)
    assert np.isfinite(arrays["left.hand.command"]).all()


def test_an_episode_too_short_or_without_bases_is_refused(tmp_path):
    assert "5 steps, expected 10 or more" in refusal(tmp_path / "short", Episode(seconds=0.5))
    assert "bases: found none of left" in refusal(tmp_path / "unplaced", Episode(changes={"bases": {}}))


def test_unsuccessful_episodes_are_skipped_unless_requested(tmp_path):
    for name, success in (("bad", False), ("good", True), ("unknown", None)):
        write_episode(tmp_path / "bags" / name, Episode(success=success))
    report = run(tmp_path / "bags", tmp_path / "data")
    assert (report.converted, [Path(path).name for path in report.skipped]) == (1, ["bad", "unknown"])
    report = run(tmp_path / "bags", tmp_path / "data", include_failures=True)
    assert (report.converted, report.present) == (2, 1)
    assert [entry.success for entry in load_dataset(tmp_path / "data").episodes] == [
        {"left": True},
        {"left": False},
        None,
    ]


def test_a_second_run_converts_nothing_and_changes_no_file(bag, tmp_path):
    run(bag, tmp_path / "data")
    before = {file: (file.read_bytes(), file.stat().st_mtime_ns) for file in (tmp_path / "data").glob("*.npz")}
    report = run(bag.parent, tmp_path / "data")
    assert (report.converted, report.present) == (0, 1)
    assert before == {file: (file.read_bytes(), file.stat().st_mtime_ns) for file in before}
    write_episode(bag.parent / "more", Episode())
    assert run(bag.parent, tmp_path / "data").converted == 1
    assert len(load_dataset(tmp_path / "data").episodes) == 2


def test_a_bag_recorded_anew_or_an_episode_deleted_is_converted_again(bag, tmp_path):
    run(bag, tmp_path / "data")
    newer = (tmp_path / "data" / "episode_00000.npz").stat().st_mtime + 10
    os.utime(bag / "metadata.yaml", (newer, newer))
    assert run(bag, tmp_path / "data").converted == 1
    os.utime(bag / "metadata.yaml", (0, 0))
    (tmp_path / "data" / "episode_00000.npz").unlink()
    assert run(bag, tmp_path / "data").converted == 1
    assert len(load_dataset(tmp_path / "data").episodes) == 1


def test_a_bag_replaced_by_an_older_recording_is_converted_again(bag, tmp_path):
    run(bag, tmp_path / "data")
    shutil.rmtree(bag)
    write_episode(bag, Episode(seconds=1.5))
    for file in bag.iterdir():
        os.utime(file, (0, 0))  # as of `cp -p` and `rsync -a`, or with a clock that was set back
    assert run(bag, tmp_path / "data").converted == 1
    assert [entry.length for entry in load_dataset(tmp_path / "data").episodes] == [15]
    assert run(bag, tmp_path / "data").present == 1


def test_a_bag_that_is_gone_leaves_its_episode(bag, tmp_path):
    run(bag, tmp_path / "data")
    more = write_episode(tmp_path / "more", Episode())
    shutil.rmtree(bag)
    assert run(more, tmp_path / "data").converted == 1
    assert len(load_dataset(tmp_path / "data").episodes) == 2


def test_of_an_older_dataset_the_given_bags_are_converted_again_and_told(bag, tmp_path, capsys):
    """It does not say which files the bags had."""
    data, other = tmp_path / "data", write_episode(tmp_path / "other", Episode())
    run(bag, data)
    run(other, data)
    dataset = load_dataset(data)
    dataset.episodes = [entry.model_copy(update={"bag_files": {}}) for entry in dataset.episodes]
    save_dataset(data, dataset)
    capsys.readouterr()
    report = run(bag, data)
    assert (report.converted, report.present) == (1, 0)
    assert f"1 episodes are converted again: {data / 'dataset.yaml'} does not say" in capsys.readouterr().err
    assert [bool(entry.bag_files) for entry in load_dataset(data).episodes] == [True, False]
    run(bag, data)
    assert "converted again" not in capsys.readouterr().err


HANGING = """
import os, sys, threading
from pathlib import Path
from episodes import convert

def hang(*_):
    print("converting", flush=True)
    threading.Event().wait()

convert.extract = hang  # in the workers, too, which import this file
if __name__ == "__main__":
    bags = [Path("first"), Path("second")]
    convert.convert(bags, Path(sys.argv[1]), include_failures=True, workers=2)
"""


@pytest.mark.graph
def test_the_workers_of_a_killed_conversion_end(tmp_path):
    (tmp_path / "hanging.py").write_text(HANGING)
    command = [sys.executable, str(tmp_path / "hanging.py"), str(tmp_path / "data")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        assert [process.stdout.readline() for _ in range(2)] == 2 * ["converting\n"]
        process.kill()
        assert process.communicate(timeout=30.0)[0] == ""  # all that could write into the pipe have ended
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def test_a_damaged_bag_does_not_stop_the_others(bag, tmp_path):
    broken = write_episode(bag.parent / "broken", Episode())
    file = broken / "broken.mcap"
    file.write_bytes(file.read_bytes()[:-400])
    report = run(bag.parent, tmp_path / "data")
    assert report.converted == 1
    assert report.refused[0].startswith(f"{broken}: ")


def test_two_processes_make_the_same_dataset_as_one(bag, tmp_path):
    write_episode(bag.parent / "other", Episode(seconds=1.5))
    assert run(bag.parent, tmp_path / "one").converted == run(bag.parent, tmp_path / "two", workers=2).converted == 2
    one, two = load_dataset(tmp_path / "one"), load_dataset(tmp_path / "two")
    assert one == two
    for entry in one.episodes:
        expected, found = load_arrays(tmp_path / "one", entry), load_arrays(tmp_path / "two", entry)
        assert expected.keys() == found.keys()
        assert all(np.array_equal(expected[name], found[name]) for name in expected)


def test_other_settings_than_the_dataset_has_are_refused(bag, tmp_path):
    run(bag, tmp_path / "data")
    with pytest.raises(EpisodeError, match=r"dataset\.yaml: .*convert to a new folder"):
        convert([bag], tmp_path / "data", Settings(size=(12, 16)))


def test_images_of_another_shape_are_refused_and_never_stretched(bag, tmp_path):
    report = convert([bag], tmp_path / "data", Settings(size=(18, 32)))
    assert "/camera/front/image_raw: found images of 32x24, expected the shape of 32x18" in report.refused[0]
    assert report.converted == 0


def test_images_are_cropped_or_padded_by_choice(bag, tmp_path):
    for fit in ("crop", "pad"):
        _, arrays = extract(bag, Settings(size=(18, 32), fit=fit), "a.npz", "bag")
        image = arrays["image.front"][-1]
        assert image.shape == (18, 32, 3)
        assert bool(image[:, 0].any()) is (fit == "crop")
        assert (image[:, 16, 2] == 7).all()


@pytest.mark.parametrize(
    ("size", "fit", "fovy_deg", "expected"),
    [
        ((18, 32), "crop", 40.0, Framing(fit="crop", camera=(24, 32), fovy_deg=30.537)),
        ((18, 32), "pad", 40.0, Framing(fit="pad", camera=(24, 32), fovy_deg=40.0)),
        ((12, 16), "crop", 40.0, Framing(fit="same", camera=(24, 32), fovy_deg=40.0)),
        ((12, 16), "same", None, Framing(fit="same", camera=(24, 32))),
    ],
)
def test_an_episode_states_how_its_images_were_made(tmp_path, size, fit, fovy_deg, expected):
    bag = write_episode(tmp_path / "bag", Episode(fovy_deg=fovy_deg))
    convert([bag], tmp_path / "data", Settings(size=size, fit=fit))
    (entry,) = load_dataset(tmp_path / "data").episodes
    assert entry.framing == {"front": expected}


def test_a_camera_that_is_not_calibrated_has_no_field_of_view(tmp_path):
    bag = write_episode(tmp_path / "bag", Episode(fovy_deg=0.0))
    assert extract(bag, Settings(), "a.npz", "bag")[0].framing["front"].fovy_deg is None


def test_a_dataset_that_was_cropped_is_not_padded(bag, tmp_path):
    convert([bag], tmp_path / "data", Settings(size=(18, 32), fit="crop"))
    with pytest.raises(EpisodeError, match=r"dataset\.yaml: fit: found crop, expected pad; convert to a new folder"):
        convert([bag], tmp_path / "data", Settings(size=(18, 32), fit="pad"))


def test_the_command_keeps_the_shape_of_the_camera_unless_told_otherwise(bag, tmp_path):
    assert main_of("--width", "16", str(bag), "--out", str(tmp_path / "kept")) == 0
    assert load_dataset(tmp_path / "kept").cameras == {"front": (12, 16)}
    assert main_of("--width", "16", "--height", "9", str(bag), "--out", str(tmp_path / "wide")) == 1
    assert main_of("--width", "16", "--height", "9", "--fit", "crop", str(bag), "--out", str(tmp_path / "crop")) == 0
    assert load_dataset(tmp_path / "crop").cameras == {"front": (9, 16)}


def main_of(*arguments: str) -> int:
    return command_line.run(command, list(arguments), name="convert")


def test_incomplete_bags_are_left_out_and_empty_folders_refused(bag, tmp_path):
    (bag.parent / "unfinished").mkdir()
    (bag.parent / "unfinished" / "unfinished.mcap").write_bytes(b"")
    assert find_bags([bag.parent, bag]) == [bag]
    with pytest.raises(EpisodeError, match="found no bag, expected a folder"):
        find_bags([bag.parent / "unfinished"])


def test_the_clock_set_back_while_recording_is_refused_and_the_topic_named(tmp_path):
    """From 1 s on the clock is 700 ms behind: without a look at the order of writing, both halves interleave."""
    bag = write_episode(tmp_path / "bag", Episode(set_back_ms=700))
    report = run(bag, tmp_path / "data")
    assert report.converted == 0
    assert f"{IMAGE}: found received at times that go back: the clock was set back by 0.600 s" in report.refused[0]


def test_the_clock_of_one_device_set_back_is_refused_and_its_topic_named(tmp_path):
    bag = write_episode(tmp_path / "bag", Episode(set_back_ms=700, set_back_topic=STATE))
    report = run(bag, tmp_path / "data")
    assert f"{STATE}: found stamped at times that go back: the clock was set back by 0.680 s" in report.refused[0]


DESCRIPTION = {
    "task": "pour",
    "embodiments": {"left": {"arm": "xarm7", "hand": "inspire"}},
    "bases": {"left": {"xyz": [0.1, 0.4, 0.0], "rpy": [0.0, 0.0, 0.0]}},
    "topics": {IMAGE: "/cam/color/compressed", STATE: "/xarm/joint_states"},
}


def described(folder: Path, **changes: object) -> Description:
    file = folder / "description.yaml"
    file.write_text(yaml.safe_dump(DESCRIPTION | changes))
    return load_description(file)


def plain_bag(path: Path, storage: StoragePlugin = StoragePlugin.MCAP) -> Path:
    """A bag as `ros2 bag record` writes it: no metadata of ours, topics of other names, compressed images."""
    source = write_episode(path.with_name(f"{path.name}_ours"), Episode())
    types = messages.typestore()
    with EpisodeReader(source) as reader, Writer(path, version=9, storage_plugin=storage) as writer:
        connections = {}
        for record in reader.records():
            topic, msgtype, message = record.topic, record.msgtype, record.decode()
            if topic == IMAGE:
                msgtype, message = messages.COMPRESSED, compressed(message)
            topic = DESCRIPTION["topics"].get(topic, topic)
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, msgtype, typestore=types)
            writer.write(connections[topic], record.log_ns, types.serialize_cdr(message, msgtype))
    return path


def compressed(message: object) -> object:
    pixels = cv2.imencode(".png", messages.image_array(message)[..., ::-1])[1].reshape(-1)
    kind = messages.typestore().types[messages.COMPRESSED]
    return kind(header=message.header, format="rgb8; png compressed bgr8", data=pixels)


@pytest.mark.parametrize("storage", [StoragePlugin.MCAP, StoragePlugin.SQLITE3])
def test_a_plain_bag_with_a_description_converts_to_the_same_values(tmp_path, storage):
    bag = plain_bag(tmp_path / "plain", storage)
    report = convert([bag], tmp_path / "data", SETTINGS, description=described(tmp_path))
    assert (report.converted, report.refused) == (1, [])
    (entry,) = load_dataset(tmp_path / "data").episodes
    assert (entry.task, entry.bases["left"][0]) == ("pour", [1.0, 0.0, 0.0, 0.1])
    _, expected = extract(tmp_path / "plain_ours", SETTINGS, "a.npz", "bag")
    found = load_arrays(tmp_path / "data", entry)
    assert expected.keys() == found.keys()
    assert all(np.array_equal(expected[name], found[name]) for name in expected)


def test_a_bare_db3_file_with_a_description_converts(tmp_path):
    file = plain_bag(tmp_path / "plain", StoragePlugin.SQLITE3) / "plain.db3"
    report = convert([file], tmp_path / "data", SETTINGS, description=described(tmp_path))
    assert (report.converted, report.refused) == (1, [])


def test_a_changed_description_converts_the_same_bag_again(tmp_path):
    bag = plain_bag(tmp_path / "plain")
    for task, expected in (("pour", (1, 0)), ("pour", (0, 1)), ("stir", (1, 0))):
        report = convert([bag], tmp_path / "data", SETTINGS, description=described(tmp_path, task=task))
        assert (report.converted, report.present) == expected
    assert [entry.task for entry in load_dataset(tmp_path / "data").episodes] == ["stir"]


def test_other_topics_in_a_description_convert_the_same_bag_again(tmp_path):
    bag = plain_bag(tmp_path / "plain")
    topics = DESCRIPTION["topics"]
    for changed, expected in ((topics, (1, 0)), (topics, (0, 1)), (topics | {COMMAND: COMMAND}, (1, 0))):
        report = convert([bag], tmp_path / "data", SETTINGS, description=described(tmp_path, topics=changed))
        assert (report.converted, report.present) == expected


def test_bags_described_as_unsuccessful_are_skipped(tmp_path):
    bag = plain_bag(tmp_path / "plain")
    failed = described(tmp_path, success={"left": False})
    assert convert([bag], tmp_path / "data", SETTINGS, description=failed).skipped == [str(bag)]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"topics": {STATE: "/nowhere"}}, "topics./left/arm/joint_states of the description: found /nowhere"),
        ({"topics": {STATE: "/a", IMAGE: "/a"}}, "each topic of the bag once"),
        ({"bases": {"left": {"xyz": [0, 0]}}}, "bases.left"),
    ],
)
def test_a_description_that_does_not_fit_is_refused_in_one_line(tmp_path, changes, reason):
    bag = plain_bag(tmp_path / "plain")
    try:
        text = convert([bag], tmp_path / "data", SETTINGS, description=described(tmp_path, **changes)).refused[0]
    except EpisodeError as error:
        text = str(error)
    assert reason in text
    assert "\n" not in text
