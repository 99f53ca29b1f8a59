"""Recovers bags that were never closed, after a power failure or a killed recorder, or that are damaged.

The recovered bag takes the place of the other one, whose files are kept beside it with the suffix .damaged.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from episodes.bag import EpisodeReader, EpisodeWriter
from episodes.database import Database, connect
from episodes.mcap import Channel, Walk, notes_in, salvage
from episodes.metadata import METADATA_KEY, EpisodeError, EpisodeMetadata, parse_metadata
from episodes.storage import METADATA_FILE, MIN_FREE_BYTES, SUFFIXES

KEPT = ".damaged"
_SCRATCH = ".repair-"  # followed by the process


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
    target, moves = folder / f"{name}.mcap", {file: file.with_name(file.name + KEPT) for file in _with_logs(files)}
    _check_free([*moves.values(), *({target} - set(files))])
    _remove_abandoned(folder)
    with TemporaryDirectory(dir=folder, prefix=f"{_SCRATCH}{os.getpid()}.") as place:
        written = Path(place) / name
        done, metadata = _write(files, written, path)
        for file, kept in moves.items():
            file.rename(kept)
        (written / f"{name}.mcap").rename(target)
        if path.is_dir():
            (written / METADATA_FILE).rename(folder / METADATA_FILE)
    result = path if path.is_dir() else target
    return Repair(result, done.messages, done.topics, metadata is not None, done.lost, tuple(moves.values()))


def _check_free(places: list[Path]) -> None:
    for place in places:
        if os.path.lexists(place):
            raise EpisodeError(place, "", "a file", "none, it is not overwritten; nothing was moved")


def _remove_abandoned(folder: Path) -> None:
    """Remove the work places of repairs that were killed and could not."""
    for path in folder.glob(f"{_SCRATCH}*"):
        process = path.name.removeprefix(_SCRATCH).partition(".")[0]
        if process.isdecimal() and not Path("/proc", process).exists():
            shutil.rmtree(path, ignore_errors=True)


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
            for channel, log_ns, raw in _messages(file, walk, to.parent):
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
    parts = [f"{walk.damaged} damaged records of {file.name}"] if walk.damaged else []
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


def _messages(file: Path, walk: Walk, place: Path) -> Iterator[tuple[Channel, int, bytes]]:
    return salvage(file, walk) if file.suffix == ".mcap" else _rows(file, walk, place)


def _rows(file: Path, walk: Walk, place: Path) -> Iterator[tuple[Channel, int, bytes]]:
    """Messages of a database, also those that stand in its log."""
    walk.size = walk.read = sum(each.stat().st_size for each in _with_logs([file]))
    try:
        with closing(connect(_with_log_inside(file, place))) as connection:
            database = Database(connection, walk.size)
            channels = {number: Channel(*rest) for number, *rest in database.topics()}
            for number, log_ns, raw in database.whole_messages():
                if raw is None or log_ns < 0:
                    walk.damaged += 1
                elif number in channels:
                    yield channels[number], log_ns, raw
    except (sqlite3.DatabaseError, ValueError):  # what follows is damaged
        walk.damaged += 1


def _with_log_inside(file: Path, place: Path) -> Path:
    """The database, or if it has a log a copy at a place, into which sqlite puts what stands in the log."""
    together = _with_logs([file])
    if len(together) == 1:
        return file
    needed = 2 * sum(each.stat().st_size for each in together)
    if needed > (free := shutil.disk_usage(place).free - MIN_FREE_BYTES):
        raise EpisodeError(file, "", f"a database whose copy takes {needed} bytes", f"at most {free}, which are free")
    for each in together:
        shutil.copy2(each, place)
    with closing(sqlite3.connect(place / file.name)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return place / file.name
