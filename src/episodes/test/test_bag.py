"""Bags are written and read back whole, or refused in one line that names the file."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
from pathlib import Path

import numpy as np
import pytest
import yaml
from episode_bags import IMAGE, OTHER, START_NS, Episode, metadata, mixed_bag, picture, write_episode
from hypothesis import given, settings
from hypothesis import strategies as st
from rosbags.highlevel import AnyReader
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer

from episodes import messages, storage
from episodes.bag import EpisodeReader, EpisodeWriter, is_complete, read, read_metadata
from episodes.metadata import Description, EpisodeError

STATES, COMMANDS = "/left/arm/joint_states", "/left/arm/command"
NAMES = ("b", "a")


@pytest.fixture
def small(tmp_path: Path) -> Path:
    with EpisodeWriter(tmp_path / "small", metadata()) as writer:
        writer.write_image(IMAGE, START_NS, picture(40), "front")
        writer.write_joint_state(STATES, START_NS + 1, NAMES, np.array([0.5, -1.5]), effort=np.array([2.0, 3.0]))
        points = np.arange(6.0).reshape(3, 2)
        writer.write_trajectory(COMMANDS, START_NS + 2, NAMES, [0.1, 0.2, 1.3], points)
    return tmp_path / "small"


def check(content: list[tuple[str, int, object]]) -> None:
    (_, at_image, image), (_, at_state, state), (_, at_command, command) = content
    assert (at_image, at_state, at_command) == (START_NS, START_NS + 1, START_NS + 2)
    assert np.array_equal(messages.image_array(image), picture(40))
    assert image.header.frame_id == "front"
    assert messages.stamp_ns(state) == START_NS + 1
    assert tuple(state.name) == NAMES
    assert (state.position.tolist(), state.velocity.tolist(), state.effort.tolist()) == ([0.5, -1.5], [], [2.0, 3.0])
    chunk = messages.read_chunk(command)
    assert chunk.stamp_ns == START_NS + 2
    assert chunk.times_s == pytest.approx([0.1, 0.2, 1.3], abs=1e-9)
    assert np.array_equal(chunk.points, np.arange(6.0).reshape(3, 2))


def foreign_bag(
    path: Path, storage: StoragePlugin = StoragePlugin.MCAP, serialization: str = "cdr", compression: str = ""
) -> Path:
    """A bag as other recorders write it: one joint state, on a second topic one in another serialization."""
    writer = Writer(path, version=9, storage_plugin=storage)
    if compression:
        writer.set_compression(CompressionMode[compression], CompressionFormat.ZSTD)
    types = messages.typestore()
    raw = types.serialize_cdr(messages.joint_state(START_NS, NAMES, np.array([0.5, -1.5])), messages.JOINT_STATE)
    with writer:
        state = writer.add_connection(STATES, messages.JOINT_STATE, typestore=types)
        writer.write(state, START_NS + 1, raw)
        if serialization != "cdr":
            other = writer.add_connection(
                "/other", messages.JOINT_STATE, typestore=types, serialization_format=serialization
            )
            writer.write(other, START_NS + 2, b"{}")
    return path


def refusal(path: Path) -> str:
    with pytest.raises(EpisodeError) as caught:
        list(read(path))
    text = str(caught.value)
    assert text.startswith(f"{path}: ")
    assert "\n" not in text
    return text


def test_written_messages_are_read_back_unchanged(small):
    check(list(read(small)))


def test_another_reader_of_bags_finds_the_same(small):
    with AnyReader([small], default_typestore=messages.typestore()) as reader:
        check([(c.topic, at, reader.deserialize(raw, c.msgtype)) for c, at, raw in reader.messages()])


def test_topics_are_read_one_by_one_and_counted(small):
    with EpisodeReader(small) as reader:
        assert {name: topic.count for name, topic in reader.topics.items()} == {IMAGE: 1, STATES: 1, COMMANDS: 1}
        assert [record.topic for record in reader.records({STATES})] == [STATES]
        assert reader.span_ns == (START_NS, START_NS + 2)


def test_topics_of_the_same_name_in_and_outside_the_namespace_are_refused(tmp_path):
    plain = write_episode(tmp_path / "plain", Episode(seconds=0.5))
    with EpisodeReader(plain, Description(**metadata(namespace="left").model_dump())) as reader:
        assert {IMAGE, "/arm/joint_states"} <= set(reader.topics)
    with EpisodeWriter(tmp_path / "both", metadata(namespace="robot1")) as writer:
        for topic in ("/robot1/left/arm/joint_states", "/left/arm/joint_states"):
            writer.write_joint_state(topic, START_NS, NAMES, np.zeros(2))
    with pytest.raises(EpisodeError, match="/left/arm/joint_states: found another topic of this name below /robot1"):
        EpisodeReader(tmp_path / "both")


def test_metadata_survives(small):
    assert read_metadata(small) == metadata()


def test_a_bare_mcap_file_is_read_with_its_metadata(small):
    check(list(read(small / "small.mcap")))
    assert read_metadata(small / "small.mcap") == metadata()


def test_a_bag_of_another_recorder_reports_missing_metadata(tmp_path):
    path = foreign_bag(tmp_path / "foreign")
    with pytest.raises(EpisodeError, match=r"foreign: metadata\.yaml: custom_data\.episode: found nothing"):
        read_metadata(path)


@pytest.mark.parametrize("found", ["volatile", "[]", "unknown"])
def test_qos_in_metadata_yaml_unlike_the_files_is_no_damage(small, found):
    file = small / "metadata.yaml"
    content = yaml.safe_load(file.read_text())
    for topic in content["rosbag2_bagfile_information"]["topics_with_message_count"]:
        qos = {"history": found, "depth": 1} if found != "[]" else []
        topic["topic_metadata"]["offered_qos_profiles"] = [qos] if qos else []
        topic["topic_metadata"]["type_description_hash"] = "RIHS01_0"
        topic["message_count"] = 7
    file.write_text(yaml.safe_dump(content))
    check(list(read(small)))


def test_a_foreign_serialization_is_called_not_supported_the_rest_read(tmp_path):
    path = foreign_bag(tmp_path / "bag", serialization="json")
    assert [topic for topic, _, _ in read(path, {STATES})] == [STATES]
    assert "/other: found messages serialized as json, expected cdr" in refusal(path)


@pytest.mark.parametrize("indexed", [True, False])
@pytest.mark.parametrize(
    ("encoding", "serialization", "found"),
    [("protobuf", "protobuf", "protobuf"), ("jsonschema", "json", "json"), ("jsonschema", "cdr", "jsonschema")],
)
def test_beside_a_schema_that_is_not_of_ros_the_other_topics_are_read(
    tmp_path, encoding, serialization, found, indexed
):
    path = mixed_bag(tmp_path / "mixed", encoding, serialization, indexed)
    with EpisodeReader(path) as reader:
        assert {name: topic.count for name, topic in reader.topics.items()} == {STATES: 1, OTHER: 1}
        assert reader.topics[STATES].msgtype == messages.JOINT_STATE
        assert reader.span_ns == (START_NS, START_NS + 1)
    ((topic, at, message),) = read(path, {STATES})
    assert (topic, at, message.position.tolist()) == (STATES, START_NS, [0.0, 0.0])
    assert f"{OTHER}: found messages serialized as {found}, expected cdr" in refusal(path)


def test_a_file_without_an_index_that_is_cut_is_refused(tmp_path):
    file = mixed_bag(tmp_path / "mixed", "protobuf", "protobuf", indexed=False) / "mixed.mcap"
    content = file.read_bytes()
    file.write_bytes(content[:200] + content[-37:])
    assert "truncated or damaged" in refusal(tmp_path / "mixed")


@pytest.mark.parametrize("plugin", [StoragePlugin.MCAP, StoragePlugin.SQLITE3])
def test_a_standard_type_without_a_definition_in_the_bag_is_read(tmp_path, plugin):
    """`ros2 bag record` then calls the encoding of the definition "unknown"."""
    path = foreign_bag(tmp_path / "bag", plugin)
    if plugin is StoragePlugin.SQLITE3:
        with sqlite3.connect(path / "bag.db3") as database:
            database.execute("UPDATE message_definitions SET encoding = 'unknown', encoded_message_definition = ''")
        database.close()
    else:
        file = path / "bag.mcap"
        file.write_bytes(file.read_bytes().replace(b"\x07\0\0\0ros2msg", b"\x07\0\0\0unknown"))
    assert [(topic, at) for topic, at, _ in read(path)] == [(STATES, START_NS + 1)]


@pytest.mark.parametrize("name", ["bag", "bag/bag.db3"])
def test_a_sqlite_bag_is_read_as_folder_and_as_bare_file(tmp_path, name):
    foreign_bag(tmp_path / "bag", StoragePlugin.SQLITE3)
    assert [(topic, at) for topic, at, _ in read(tmp_path / name)] == [(STATES, START_NS + 1)]


@pytest.mark.parametrize(("mode", "most"), [("FILE", "MAX_FILE_BYTES"), ("MESSAGE", "MAX_MESSAGE_BYTES")])
def test_a_bag_that_unpacks_to_more_than_allowed_is_refused(tmp_path, monkeypatch, mode, most):
    path = foreign_bag(tmp_path / "bag", StoragePlugin.SQLITE3, compression=mode)
    monkeypatch.setattr(storage, most, 20)
    with pytest.raises(EpisodeError, match=r"more (bytes|than)"):
        list(read(path))


@pytest.mark.parametrize("mode", ["FILE", "MESSAGE"])
def test_a_bag_compressed_by_file_or_message_is_read(tmp_path, mode):
    path = foreign_bag(tmp_path / "bag", StoragePlugin.SQLITE3, compression=mode)
    assert [(topic, at) for topic, at, _ in read(path)] == [(STATES, START_NS + 1)]


@pytest.mark.parametrize(
    ("old", "new"), [("compression_format: ''", "compression_format: lz5"), ("small.mcap", "small.bin")]
)
def test_what_is_not_supported_is_called_so_and_not_damaged(small, old, new):
    file = small / "metadata.yaml"
    text = file.read_text().replace(old, new).replace("compression_mode: ''", "compression_mode: file")
    file.write_text(text if "lz5" in new else text.replace("compression_mode: file", "compression_mode: ''"))
    (small / "small.bin").write_bytes(b"")
    assert "not supported" in refusal(small)


def test_metadata_and_notes_set_while_writing_are_kept(tmp_path):
    with EpisodeWriter(tmp_path / "bag", metadata(None)) as writer:
        writer.write_image(IMAGE, START_NS, picture(0))
        writer.metadata = metadata(False)
        writer.notes["remark"] = "lights off"
    with EpisodeReader(tmp_path / "bag") as reader:
        assert reader.metadata.succeeded is False
        assert reader.custom["remark"] == "lights off"


def test_ros2_bag_info_reads_it(small):
    if shutil.which("ros2") is None:
        pytest.skip("no ros2 command here")
    done = subprocess.run(["ros2", "bag", "info", str(small)], capture_output=True, text=True, timeout=30, check=True)
    assert IMAGE in done.stdout


def test_a_bag_without_messages_is_a_bag(tmp_path):
    with EpisodeWriter(tmp_path / "empty", metadata()):
        pass
    assert list(read(tmp_path / "empty")) == []
    assert read_metadata(tmp_path / "empty") == metadata()


def test_a_bag_left_by_an_exception_is_unfinished_and_refused(tmp_path):
    path = tmp_path / "bag"

    def write_and_fail() -> None:
        with EpisodeWriter(path, metadata()) as writer:
            writer.write_image(IMAGE, START_NS, picture(0))
            raise KeyError("robot")

    with pytest.raises(KeyError):
        write_and_fail()
    assert not is_complete(path)
    assert "no metadata.yaml" in refusal(path)


def test_a_bag_that_does_not_exist_is_refused(tmp_path):
    assert "found no such file" in refusal(tmp_path / "none")


@settings(max_examples=30)
@given(fraction=st.floats(0.0, 0.999))
def test_a_truncated_bag_is_refused(tmp_path_factory, fraction):
    path = _noisy(tmp_path_factory.mktemp("bags") / "bag")
    file = path / "bag.mcap"
    content = file.read_bytes()
    file.write_bytes(content[: int(fraction * len(content))])
    assert "truncated or damaged" in refusal(path)


@settings(max_examples=60)
@given(fraction=st.floats(0.0, 0.999), change=st.integers(1, 255), as_written=st.booleans())
def test_a_damaged_byte_is_refused_or_changes_no_message(tmp_path_factory, fraction, change, as_written):
    path = _noisy(tmp_path_factory.mktemp("bags") / "bag")
    file = path / "bag.mcap"
    before = _raw(path)
    content = bytearray(file.read_bytes())
    content[int(fraction * len(content))] ^= change
    file.write_bytes(content)
    try:
        assert _raw(path, as_written=as_written) == before
    except EpisodeError as error:
        assert str(error).startswith(f"{path}: ")
        assert "\n" not in str(error)


def test_no_damaged_byte_of_the_index_changes_a_message(tmp_path):
    path = _noisy(tmp_path / "bag")
    file, before = path / "bag.mcap", _raw(path)
    content = file.read_bytes()
    index = content.rindex(b"\x0f\x04\x00\x00\x00\x00\x00\x00\x00") + 13  # after the end of the data
    for place in range(index, len(content)):
        file.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        try:
            assert _raw(path) == before, f"byte {place}"
        except EpisodeError as error:
            assert "damaged" in str(error) or "not supported" in str(error), f"byte {place}"


def test_a_message_that_is_not_what_its_type_says_is_refused(tmp_path):
    with EpisodeWriter(tmp_path / "bag", metadata()) as writer:
        writer.write(STATES, messages.JOINT_STATE, START_NS, b"\x00\x01\x00\x00garbage")
    assert STATES in refusal(tmp_path / "bag")


def test_an_existing_path_is_never_overwritten(small):
    before = _raw(small)
    for overwrite in (False, True):
        with pytest.raises(EpisodeError, match="not overwritten"):
            EpisodeWriter(small, metadata(), overwrite_incomplete=overwrite)
    assert _raw(small) == before


def test_an_unfinished_bag_is_overwritten_only_on_request(tmp_path):
    EpisodeWriter(tmp_path / "bag", metadata()).abort()
    with pytest.raises(EpisodeError, match="not overwritten"):
        EpisodeWriter(tmp_path / "bag", metadata())
    with EpisodeWriter(tmp_path / "bag", metadata(), overwrite_incomplete=True) as writer:
        writer.write_image(IMAGE, START_NS, picture(0))
    assert len(list(read(tmp_path / "bag"))) == 1


@pytest.mark.parametrize("foreign", ["notes.txt", "other.mcap"])
def test_a_folder_with_anything_else_in_it_is_not_removed(tmp_path, foreign):
    EpisodeWriter(tmp_path / "bag", metadata()).abort()
    (tmp_path / "bag" / foreign).write_text("mine")
    with pytest.raises(EpisodeError, match="not overwritten"):
        EpisodeWriter(tmp_path / "bag", metadata(), overwrite_incomplete=True)
    assert (tmp_path / "bag" / foreign).read_text() == "mine"


def test_metadata_of_another_schema_is_refused_with_file_and_field(small):
    file = small / "metadata.yaml"
    file.write_text(file.read_text().replace("pick_place", "").replace('"seed":7', '"seed":"x"'))
    with pytest.raises(EpisodeError, match=r"metadata\.yaml: task: found ''") as caught:
        read_metadata(small)
    assert "\n" not in str(caught.value)


def _noisy(path: Path) -> Path:
    """Pictures that do not compress, so that most of the file is their bytes."""
    noise = np.random.default_rng(0).integers(0, 256, (4, *picture(0).shape), dtype=np.uint8)
    with EpisodeWriter(path, metadata()) as writer:
        for index, rgb in enumerate(noise):
            writer.write_image(IMAGE, START_NS + index, rgb)
    return path


def _raw(path: Path, *, as_written: bool = False) -> list[tuple[str, int, bytes]]:
    with EpisodeReader(path) as reader:
        found = reader.records(as_written=as_written)
        return [(record.topic, record.log_ns, bytes(record.raw)) for record in found]
