"""Episodes as rosbag2 MCAP bags: a folder with metadata.yaml and one .mcap with zstd chunks. ROS is not needed.

metadata.yaml is written last and atomically, so a folder that has one is complete.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from rosbags.interfaces import Connection, Qos
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer

from episodes import messages
from episodes.mcap import NOTES, metadata_record, write_summary_checksum
from episodes.metadata import METADATA_KEY, Description, EpisodeError, EpisodeMetadata, parse_metadata
from episodes.storage import CDR, METADATA_FILE, Storage, serialization

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd  # as in rosbags

CAMERA_TOPIC = re.compile(r"^/camera/([^/]+)/image_raw(/compressed)?$")
UNKNOWN_HASH = "RIHS01_" + 64 * "0"
BAG_VERSION = 9  # that of rosbag2 in ROS 2 Jazzy
_CHECKED: dict[int, int] = {zstd.CompressionParameter.checksum_flag: 1}


def is_complete(path: Path) -> bool:
    """Whether the folder holds a bag that was closed."""
    return (Path(path) / METADATA_FILE).is_file()


def discard_incomplete(path: Path) -> None:
    """Remove the folder of a bag that was not closed, if it exists.

    Raises:
        EpisodeError: If the folder is something else; it is not touched.
    """
    path = Path(path)
    if not path.exists():
        return
    ours = {f"{path.name}.mcap", "metadata.yaml.tmp"}  # all files of an interrupted writer
    if not path.is_dir() or any(entry.name not in ours or not entry.is_file() for entry in path.iterdir()):
        raise EpisodeError(path, "", "something that is not an unfinished bag", "nothing, it is not overwritten")
    shutil.rmtree(path)


class EpisodeWriter:
    """Writes one episode.

    As a context manager it closes the bag on success, and leaves it incomplete (without metadata.yaml) on an exception.
    `metadata` and the texts in `notes` are written by `close`, and may be changed until then.

    Args:
        path: Folder of the bag, which is created.
        metadata: What the episode is; None for a bag that nobody described.
        overwrite_incomplete: Whether an incomplete bag at `path` is removed first.

    Raises:
        EpisodeError: If the folder exists.
    """

    def __init__(
        self, path: Path | str, metadata: EpisodeMetadata | None, *, overwrite_incomplete: bool = False
    ) -> None:
        self.path = Path(path)
        self.metadata = metadata
        self.notes: dict[str, str] = {}
        self.counts: dict[str, int] = {}
        self.bytes = 0
        self._connections: dict[str, Connection] = {}
        if overwrite_incomplete:
            discard_incomplete(self.path)
        if self.path.exists():
            raise EpisodeError(self.path, "", "a file or folder", "nothing, it is not overwritten")
        self._writer = Writer(self.path, version=BAG_VERSION, storage_plugin=StoragePlugin.MCAP)
        self._writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
        self._writer.open()
        # rosbags writes no checksums of chunks; with those of zstd every reader detects damaged bytes
        storage: Any = self._writer.storage
        storage.compressor = lambda raw: zstd.compress(raw, options=_CHECKED)
        # first of all, so that a bag that is never closed says what it is of
        storage.bio.write(metadata_record(NOTES, self._described()))
        storage.bio.flush()

    def _described(self) -> dict[str, str]:
        return {} if self.metadata is None else {METADATA_KEY: self.metadata.model_dump_json()}

    def add_topic(
        self, topic: str, msgtype: str, qos: Sequence[Qos] = (), *, serialization: str = CDR, definition: str = ""
    ) -> None:
        """Add a topic with its quality of service; `write` adds topics without.

        Args:
            topic: Name of the topic.
            msgtype: Type, such as "sensor_msgs/msg/Image".
            qos: The offered quality of service.
            serialization: How its messages are serialized.
            definition: Text of the type, for one that is not a standard type.
        """
        known = self._connections.get(topic)
        if known is None:
            standard = msgtype in messages.typestore().fielddefs
            self._connections[topic] = self._writer.add_connection(
                topic,
                msgtype,
                typestore=messages.typestore(),
                msgdef=None if standard else definition,
                rihs01=None if standard else UNKNOWN_HASH,
                serialization_format=serialization,
                offered_qos_profiles=qos,
            )
            self.counts[topic] = 0
        elif known.msgtype != msgtype:
            raise EpisodeError(self.path, topic, f"a message of type {msgtype}", f"{known.msgtype}, as before")

    def write(self, topic: str, msgtype: str, stamp_ns: int, message: Any) -> None:
        """Append one message.

        Args:
            topic: Name of the topic.
            msgtype: Type, such as "sensor_msgs/msg/Image".
            stamp_ns: Time of reception (live) or of the event (simulated), ns.
            message: Serialized CDR bytes, or a message of `rosbags`.
        """
        if topic not in self._connections or self._connections[topic].msgtype != msgtype:
            self.add_topic(topic, msgtype)
        raw = message
        if not isinstance(message, bytes | bytearray | memoryview):
            raw = messages.typestore().serialize_cdr(message, msgtype)
        self._writer.write(self._connections[topic], stamp_ns, raw)
        self.counts[topic] += 1
        self.bytes += len(raw)

    def write_image(self, topic: str, stamp_ns: int, rgb: np.ndarray, frame_id: str = "") -> None:
        """Append an Image of `rgb` (H, W, 3) uint8."""
        self.write(topic, messages.IMAGE, stamp_ns, messages.image(stamp_ns, rgb, frame_id))

    def write_camera_info(
        self, topic: str, stamp_ns: int, size: tuple[int, int], fovy_deg: float, frame_id: str = ""
    ) -> None:
        """Append the CameraInfo of a pinhole camera, images (h, w), vertical field of view in degrees."""
        self.write(topic, messages.CAMERA_INFO, stamp_ns, messages.camera_info(stamp_ns, size, fovy_deg, frame_id))

    def write_joint_state(
        self,
        topic: str,
        stamp_ns: int,
        names: Sequence[str],
        position: np.ndarray,
        velocity: np.ndarray | None = None,
        effort: np.ndarray | None = None,
    ) -> None:
        """Append a JointState; arrays are (n,) in the order of `names`."""
        message = messages.joint_state(stamp_ns, names, position, velocity, effort)
        self.write(topic, messages.JOINT_STATE, stamp_ns, message)

    def write_trajectory(
        self, topic: str, stamp_ns: int, names: Sequence[str], times: Sequence[float], points: np.ndarray
    ) -> None:
        """Append a JointTrajectory of points (H, n) at `times` (H,) seconds after the stamp."""
        self.write(topic, messages.TRAJECTORY, stamp_ns, messages.trajectory(stamp_ns, names, times, points))

    def flush(self) -> None:
        """Write everything so far, so that it can be recovered if the bag is never closed."""
        storage: Any = self._writer.storage
        if storage is not None and storage.chunk.msgs:
            storage.close_chunk()
            storage.bio.flush()

    def close(self) -> None:
        """Write the index and metadata.yaml, which completes the bag; has no effect on a closed bag."""
        if self._writer.storage is not None:
            for key, text in {**self.notes, **self._described()}.items():
                self._writer.set_custom_data(key, text)
            self._writer.close()
            write_summary_checksum(self.path / f"{self.path.name}.mcap")

    def abort(self) -> None:
        """Stop writing, and leave the bag incomplete."""
        self._writer.abort()

    def __enter__(self) -> EpisodeWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, _: TracebackType | None) -> None:
        self.close() if kind is None else self.abort()


@dataclass(frozen=True)
class Topic:
    """A recorded topic: its type, its number of messages and how they are serialized."""

    msgtype: str
    count: int
    serialization: str = CDR


@dataclass(frozen=True)
class Record:
    """One recorded message: `log_ns` is the time of reception, ns, `raw` its bytes, CDR or as `serialization` says."""

    topic: str
    msgtype: str
    log_ns: int
    raw: bytes
    serialization: str = CDR

    def decode(self) -> Any:
        """The message.

        Raises:
            EpisodeError: For a type that is not a standard one, for another serialization, and for damaged content.
        """
        if self.serialization != CDR:
            raise EpisodeError(
                "", self.topic, f"messages serialized as {self.serialization}", "cdr, which is supported"
            )
        if self.msgtype not in messages.typestore().fielddefs:
            raise EpisodeError("", self.topic, f"the type {self.msgtype}", "a standard type, others are not supported")
        try:
            return messages.typestore().deserialize_cdr(self.raw, self.msgtype)
        except Exception as error:
            raise EpisodeError("", self.topic, f"damaged bytes ({error})", self.msgtype) from None


class EpisodeReader:
    """Reads one bag, a folder or a bare .mcap or .db3 file; a context manager.

    Args:
        path: The bag.
        description: What the bag is of and how its topics are called, instead of what is written in it.

    Raises:
        EpisodeError: Here and in all methods, for a file that cannot be read, in one line that names it.
    """

    def __init__(self, path: Path | str, description: Description | None = None) -> None:
        self.path = Path(path)
        self._description = description
        self._storage = Storage(self.path)
        self.custom = self._storage.notes
        found = sorted({each.topic for each in self._storage.connections})
        self._names = dict(zip(found, self._inside(found), strict=True))  # in the bag -> here
        for name, topic in (description.topics if description else {}).items():
            if topic not in self._names:
                self.close()
                raise EpisodeError(self.path, f"topics.{name} of the description", topic, f"one of {', '.join(found)}")
            self._names[topic] = name
        self.topics: dict[str, Topic] = {}
        for each in self._storage.connections:
            name = self._names[each.topic]
            count = each.msgcount + (self.topics[name].count if name in self.topics else 0)
            self.topics[name] = Topic(each.msgtype, count, serialization(each))

    @property
    def metadata(self) -> EpisodeMetadata | None:
        """Metadata of the episode, as described or as in the bag; None for bags of other recorders."""
        if self._description is not None:
            return self._description.metadata
        text = self.custom.get(METADATA_KEY)
        return None if text is None else parse_metadata(text, str(self.path / "metadata.yaml"))

    def _inside(self, topics: Sequence[str]) -> list[str]:
        """The names of topics without the namespace of the station that the bag is of."""
        about = self.metadata
        prefix = f"/{about.namespace}" if about is not None and about.namespace else ""
        inside = [topic.removeprefix(prefix) if topic.startswith(f"{prefix}/") else topic for topic in topics]
        count = Counter(inside)
        twice = [topic for topic, name in zip(topics, inside, strict=True) if topic == name and count[name] > 1]
        if twice:
            self.close()
            found = f"another topic of this name below {prefix}"
            raise EpisodeError(self.path, twice[0], found, "one of both: record the topics of one station")
        return inside

    def name(self, topic: str) -> str:
        """The name here of a topic in the bag."""
        return self._names.get(topic, topic)

    def described(self) -> EpisodeMetadata:
        """The metadata of the episode.

        Raises:
            EpisodeError: If there is none.
        """
        if (found := self.metadata) is None:
            expected = "what the episode is about, or a description (convert --describe FILE)"
            raise EpisodeError("", f"metadata.yaml: custom_data.{METADATA_KEY}", None, expected)
        return found

    @property
    def cameras(self) -> dict[str, str]:
        """Image topics by camera name, sorted; of a camera recorded raw and compressed the raw ones."""
        topics = sorted(self.topics, reverse=True)
        found = {match.group(1): topic for topic in topics if (match := CAMERA_TOPIC.match(topic))}
        return dict(sorted(found.items()))

    def camera_topic(self, camera: str = "") -> str:
        """Image topic of a camera, by default of the first one.

        Raises:
            EpisodeError: If there is no such camera, naming those in the bag.
        """
        cameras = self.cameras
        if not cameras:
            raise EpisodeError(self.path, "/camera/<name>/image_raw", None, "images of at least one camera")
        if camera and camera not in cameras:
            raise EpisodeError(self.path, "camera", repr(camera), f"one of {', '.join(cameras)}")
        return cameras[camera] if camera else next(iter(cameras.values()))

    def fovy_deg(self, camera: str) -> float | None:
        """Vertical field of view of a camera, degrees, from its first CameraInfo; None if there is none.

        Raises:
            EpisodeError: If that message cannot be read.
        """
        topic = f"/camera/{camera}/camera_info"
        if topic not in self.topics or self.topics[topic].msgtype != messages.CAMERA_INFO:
            return None
        first = next(iter(self.records({topic})), None)
        return None if first is None else messages.fovy_deg(first.decode())

    @property
    def span_ns(self) -> tuple[int, int]:
        """First and last time of reception, ns; (0, 0) for a bag without messages."""
        return self._storage.span_ns

    def records(self, topics: Collection[str] | None = None, *, as_written: bool = False) -> Iterator[Record]:
        """Messages of the given topics (all by default) in the order of reception, or in that of writing.

        Both are the same but in a bag during whose recording the clock was set back.
        """
        seen: Counter[str] = Counter()
        wanted = None if topics is None else {old for old, new in self._names.items() if new in topics}
        for connection, log_ns, raw in self._storage.messages(wanted, as_written=as_written):
            name = self._names[connection.topic]
            seen[name] += 1
            yield Record(name, connection.msgtype, log_ns, raw, serialization(connection))
        self._check_counts(seen, [topic for topic in self.topics if topics is None or topic in topics])

    def _check_counts(self, seen: Counter[str], topics: Collection[str]) -> None:
        for topic in sorted(topics):
            if seen[topic] != (expected := self.topics[topic].count):
                raise EpisodeError(self.path, topic, f"{seen[topic]} messages", f"{expected}, as in its index")

    def close(self) -> None:
        """Release the file."""
        self._storage.close()

    def __enter__(self) -> EpisodeReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def read(path: Path | str, topics: Iterable[str] | None = None) -> Iterator[tuple[str, int, Any]]:
    """Iterate over (topic, time of reception in ns, message) of a bag, in the order of reception.

    Raises:
        EpisodeError: If the bag cannot be read.
    """
    with naming(path), EpisodeReader(path) as reader:
        for record in reader.records(None if topics is None else set(topics)):
            yield record.topic, record.log_ns, record.decode()


def read_metadata(path: Path | str, description: Description | None = None) -> EpisodeMetadata:
    """The metadata of a bag, as described or as in it.

    Raises:
        EpisodeError: If the bag has none, or cannot be read.
    """
    with naming(path), EpisodeReader(path, description) as reader:
        return reader.described()


@contextmanager
def naming(path: Path | str) -> Iterator[None]:
    """Name the bag at `path` in an EpisodeError that names no file yet."""
    try:
        yield
    except EpisodeError as error:
        raise error.within(path) from None
