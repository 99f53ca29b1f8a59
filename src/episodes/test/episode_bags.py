"""Small episodes in which every value encodes its time."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest
from rosbags.rosbag2 import storage_mcap

from contracts.station import full_name
from episodes import mcap, messages
from episodes.bag import EpisodeWriter
from episodes.metadata import EpisodeMetadata

START_NS = 1_700_000_000_000_000_000
MS = 1_000_000
IMAGE = "/camera/front/image_raw"
SIZE = (24, 32)
ARM, HAND = ("joint1", "joint2"), ("thumb", "index", "middle")
STREAMS = tuple(f"/left/{part}/{name}" for part in ("arm", "hand") for name in ("joint_states", "command"))
OTHER, PROTOBUF = "/other", bytes(range(256))  # a compiled schema, which is no text
Keep = Callable[[int], bool]


def metadata(success: bool | None = True, **changes: object) -> EpisodeMetadata:
    content = {
        "task": "pick_place",
        "embodiments": {"left": {"arm": "xarm7", "hand": "inspire"}},
        "bases": {"left": np.eye(4).tolist()},
        "success": None if success is None else {"left": success},
        "station": "bench",
        "seed": 7,
        "policy_sha256": "ab" * 32,
    }
    return EpisodeMetadata.model_validate(content | changes)


def names_of(topic: str) -> tuple[str, ...]:
    return ARM if "/arm/" in topic else HAND


def sentinel(topic: str, at_ms: int) -> np.ndarray:
    """Joint values that encode stream and instant: seconds since the start, plus 100 for each column and stream."""
    return at_ms * 1e-3 + 100.0 * STREAMS.index(topic) + 1000.0 * np.arange(len(names_of(topic)))


def picture(at_ms: int) -> np.ndarray:
    """(24, 32, 3) whose red encodes the time in units of 20 ms."""
    rgb = np.zeros((*SIZE, 3), dtype=np.uint8)
    rgb[..., 0], rgb[..., 2] = at_ms // 20 % 256, 7
    return rgb


@dataclass
class Episode:
    """Frames every 100 ms, joints and commands every 20 ms, 5 ms after the frames; `kept` selects what is recorded."""

    seconds: float = 2.0
    success: bool | None = True
    without: tuple[str, ...] = ()
    kept: dict[str, Keep] = field(default_factory=dict)
    changes: dict[str, object] = field(default_factory=dict)
    fovy_deg: float | None = None  # of the camera; None: without its CameraInfo; 0: not calibrated
    set_back_ms: int = 0  # the clock jumps back so far after 1 s
    set_back_topic: str = ""  # only the stamps of this topic, of all but its times of reception

    def stamps(self, topic: str, at_ms: int) -> tuple[int, int]:
        """Time of reception and stamp, ns."""
        late = START_NS + (at_ms - (self.set_back_ms if at_ms >= 1000 else 0)) * MS
        if self.set_back_topic:
            return START_NS + at_ms * MS, late if topic == self.set_back_topic else START_NS + at_ms * MS
        return late, late

    def instants(self, topic: str, every_ms: int, offset_ms: int) -> Iterable[int]:
        keep = self.kept.get(topic, lambda _: True)
        if topic in self.without:
            return []
        return [at for at in range(offset_ms, round(self.seconds * 1000), every_ms) if keep(at)]


def write_episode(path: Path, episode: Episode) -> Path:
    events: list[tuple[int, str]] = [(at, IMAGE) for at in episode.instants(IMAGE, 100, 0)]
    for topic in STREAMS:
        events += [(at, topic) for at in episode.instants(topic, 20, -15)]
    about = metadata(episode.success, **episode.changes)
    with EpisodeWriter(path, about) as writer:
        if episode.fovy_deg is not None:
            info = messages.camera_info(START_NS, SIZE, episode.fovy_deg or 45.0)
            info.k *= bool(episode.fovy_deg)
            writer.write(full_name(about.namespace, "camera/front/camera_info"), messages.CAMERA_INFO, START_NS, info)
        for at, topic in sorted(events):
            _write(writer, about.namespace, topic, at, *episode.stamps(topic, at))
    return path


def _write(writer: EpisodeWriter, namespace: str, topic: str, at_ms: int, log_ns: int, stamp: int) -> None:
    name = full_name(namespace, topic[1:])
    if topic == IMAGE:
        writer.write(name, messages.IMAGE, log_ns, messages.image(stamp, picture(at_ms), "front"))
    elif topic.endswith("joint_states"):
        state = messages.joint_state(stamp, names_of(topic), sentinel(topic, at_ms))
        writer.write(name, messages.JOINT_STATE, log_ns, state)
    else:
        chunk = messages.trajectory(stamp, names_of(topic), [0.0], sentinel(topic, at_ms)[None])
        writer.write(name, messages.TRAJECTORY, log_ns, chunk)


def mixed_bag(path: Path, encoding: str, serialization: str, indexed: bool = True) -> Path:
    """A joint state, and on a second topic a message of a type whose schema is not of ROS."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(storage_mcap, "write_schema", partial(_write_schema, encoding))
        with EpisodeWriter(path, metadata()) as writer:
            writer.write_joint_state(STREAMS[0], START_NS, ARM, np.zeros(2))
            writer.add_topic(OTHER, messages.TRAJECTORY, serialization=serialization)
            writer.write(OTHER, messages.TRAJECTORY, START_NS + 1, b"{}")
    if not indexed:
        file = path / "mixed.mcap"
        content = file.read_bytes()
        (summary,) = struct.unpack_from("<Q", content, len(content) - 28)
        file.write_bytes(content[:summary] + struct.pack("<BQQQI", mcap.FOOTER, 20, 0, 0, 0) + mcap.MAGIC)
    return path


def _write_schema(encoding: str, stream: BinaryIO, schema: storage_mcap.Schema) -> None:
    encoding, data = (schema.encoding, b"") if schema.name == messages.JOINT_STATE else (encoding, PROTOBUF)
    texts = [schema.name.encode(), encoding.encode(), data]
    content = struct.pack("<H", schema.id) + b"".join(struct.pack("<I", len(text)) + text for text in texts)
    stream.write(mcap.HEAD.pack(mcap.SCHEMA, len(content)) + content)
