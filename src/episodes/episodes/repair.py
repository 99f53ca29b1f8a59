"""Recovers bags that were never closed, after a power failure or a killed recorder, or that are damaged.

The recovered bag takes the place of the other one, whose files are kept beside it with the suffix .damaged.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from episodes.bag import EpisodeReader, EpisodeWriter
from episodes.mcap import Channel, Walk, notes_in, salvage
from episodes.metadata import METADATA_KEY, EpisodeError, EpisodeMetadata, parse_metadata
from episodes.storage import METADATA_FILE, SUFFIXES

KEPT = ".damaged"


@dataclass(frozen=True)
class Repair:
    """What was recovered. `kept` are the files of the damaged bag; `lost` says what is missing, "" if nothing is."""

    path: Path
    messages: int
    topics: int
    described: bool
    lost: str
    kept: tuple[Path, ...]

    def __str__(self) -> str:
        about = "with its description" if self.described else "without a description (convert --describe FILE)"
        lost = f"; lost: {self.lost}" if self.lost else ""
        kept = ", ".join(file.name for file in self.kept)
        return f"{self.path}: {self.messages} messages of {self.topics} topics recovered, {about}{lost}; kept: {kept}"


def is_sound(path: Path) -> bool:
    """Whether a bag was closed and all of it can be read."""
    try:
        with EpisodeReader(path) as reader:
            return all(True for _ in reader.records())
    except EpisodeError:
        return False


def repair(path: Path) -> Repair:
    """Recover every whole message of a bag, and its description.

    Args:
        path: Folder of the bag, or a bare .mcap or .db3 file.

    Raises:
        EpisodeError: If nothing can be recovered; the bag stays as it is.
        OSError: If the folder cannot be written.
    """
    files = _files(path)
    folder = path if path.is_dir() else path.parent
    name = path.name if path.is_dir() else path.stem
    with TemporaryDirectory(dir=folder, prefix=".repair-") as place:
        written = Path(place) / name
        done, metadata = _write(files, written, path)
        kept = tuple(file.rename(file.with_name(file.name + KEPT)) for file in _with_logs(files))
        target = folder / f"{name}.mcap"
        if target.exists():
            raise EpisodeError(target, "", "a file", "none, it is not overwritten")
        (written / f"{name}.mcap").rename(target)
        if path.is_dir():
            (written / METADATA_FILE).rename(folder / METADATA_FILE)
    result = path if path.is_dir() else target
    return Repair(result, done.messages, done.topics, metadata is not None, done.lost, kept)


@dataclass(frozen=True)
class _Done:
    messages: int
    topics: int
    lost: str


def _write(files: list[Path], to: Path, path: Path) -> tuple[_Done, EpisodeMetadata | None]:
    walks = {file: Walk() for file in files}
    metadata = _description(files, path)
    with EpisodeWriter(to, metadata) as writer:
        for file, walk in walks.items():
            for channel, log_ns, raw in _messages(file, walk):
                if channel.topic not in writer.counts:
                    writer.add_topic(
                        channel.topic,
                        channel.msgtype,
                        channel.qos,
                        serialization=channel.serialization,
                        definition=channel.definition,
                    )
                writer.write(channel.topic, channel.msgtype, log_ns, raw)
        count = sum(writer.counts.values())
        if not count:
            raise EpisodeError(path, "", "no whole message", "at least one")
        return _Done(count, len(writer.counts), "; ".join(filter(None, map(_lost, files, walks.values())))), metadata


def _lost(file: Path, walk: Walk) -> str:
    parts = [f"{walk.damaged} damaged chunks of {file.name}"] if walk.damaged else []
    if walk.read < walk.size:
        parts.append(f"{walk.size - walk.read} of {walk.size} bytes at the end of {file.name}")
    return ", ".join(parts)


def _files(path: Path) -> list[Path]:
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    found = [file for file in files if file.suffix in SUFFIXES and file.is_file()]
    if not found:
        raise EpisodeError(path, "", "no .mcap or .db3 file", "the files of a bag")
    return found


def _with_logs(files: list[Path]) -> list[Path]:
    logs = [file.with_name(file.name + end) for file in files for end in ("-wal", "-shm")]
    return files + [log for log in logs if log.exists()]


def _description(files: list[Path], path: Path) -> EpisodeMetadata | None:
    for file in files:
        text = notes_in(file).get(METADATA_KEY) if file.suffix == ".mcap" else None
        if text is not None:
            return parse_metadata(text, str(path))
    return None


def _messages(file: Path, walk: Walk) -> Iterator[tuple[Channel, int, bytes]]:
    return salvage(file, walk) if file.suffix == ".mcap" else _rows(file, walk)


def _rows(file: Path, walk: Walk) -> Iterator[tuple[Channel, int, bytes]]:
    """Messages of a copy of a database, into which sqlite puts what stands in its log."""
    walk.size = walk.read = file.stat().st_size
    with TemporaryDirectory() as place:
        for each in _with_logs([file]):
            shutil.copy2(each, place)
        database = sqlite3.connect(Path(place) / file.name)
        try:
            query = "SELECT id, name, type, serialization_format FROM topics"
            channels = {number: Channel(*rest) for number, *rest in database.execute(query)}
            for number, log_ns, raw in database.execute("SELECT topic_id, timestamp, data FROM messages ORDER BY id"):
                if number in channels:
                    yield channels[number], log_ns, raw
        except sqlite3.DatabaseError:  # what follows is damaged
            walk.damaged += 1
        finally:
            database.close()
