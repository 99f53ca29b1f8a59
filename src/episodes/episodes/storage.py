"""The files of a bag, opened one by one: what they hold counts, whatever metadata.yaml says of it.

rosbags matches topics of metadata.yaml and of the files by type and quality of service, and refuses a bag as a whole
for one topic that it does not know. Here metadata.yaml gives the files, their compression and the notes, nothing else.
"""

from __future__ import annotations

import heapq
import shutil
import sys
from collections.abc import Collection, Iterator
from contextlib import ExitStack
from pathlib import Path, PurePath
from tempfile import TemporaryDirectory
from typing import IO, Any

from pydantic import BaseModel, ConfigDict, Field
from rosbags.interfaces import Connection

from contracts.errors import validate
from contracts.files import read_mapping
from episodes.bag_files import McapFile, Message, Sqlite3File
from episodes.limits import MAX_FILE_BYTES, MAX_MESSAGE_BYTES, MAX_METADATA_BYTES
from episodes.mcap import CDR, check_ends, notes_in
from episodes.metadata import EpisodeError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd  # as in rosbags

METADATA_FILE = "metadata.yaml"
SUFFIXES = (".mcap", ".db3")
REPAIR = "a bag that was closed; ./ws inspect --repair recovers what is there"
MIN_FREE_BYTES = 1 << 30  # free disk space at which writing ends


class BagInfo(BaseModel):
    """What is used of metadata.yaml."""

    model_config = ConfigDict(extra="ignore")

    relative_file_paths: list[str] = Field(min_length=1)
    compression_format: str | None = None
    compression_mode: str | None = None
    custom_data: dict[str, str] | None = None


class Storage:
    """The open files of a bag, a folder with metadata.yaml or a bare .mcap or .db3 file.

    Raises:
        EpisodeError: Here and in `messages`: what is missing, damaged, or not supported.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.notes: dict[str, str] = {}
        self._files: list[McapFile | Sqlite3File] = []
        self._stack = ExitStack()
        try:
            self._open()
        except BaseException:
            self.close()
            raise

    @property
    def connections(self) -> list[Connection]:
        """Those of all files; a topic that is in several files occurs several times."""
        return [connection for file in self._files for connection in file.connections]

    @property
    def span_ns(self) -> tuple[int, int]:
        """First and last time of reception, ns; (0, 0) without messages."""
        found = [file.metadata for file in self._files if file.metadata.message_count]
        return (min(each.start_time for each in found), max(each.end_time for each in found) - 1) if found else (0, 0)

    def messages(self, topics: Collection[str] | None = None, *, as_written: bool = False) -> Iterator[Message]:
        """Messages of some topics (None: of all), by time of reception or in the order in which they were written."""
        streams = [self._named(_of_file(file, topics, as_written)) for file in self._files]
        if as_written:
            for stream in streams:
                yield from stream
        else:
            yield from heapq.merge(*streams, key=lambda message: message[1])

    def close(self) -> None:
        """Release the files."""
        self._stack.close()

    def _open(self) -> None:
        info = BagInfo(relative_file_paths=[self.path.name])
        folder = self.path.parent
        if not self.path.exists():
            raise EpisodeError(self.path, "", "no such file or directory", "a bag")
        if self.path.is_dir():
            folder, info = self.path, _bag_info(self.path)
        elif self.path.suffix not in SUFFIXES:
            raise EpisodeError(self.path, "", f"a file of kind {self.path.suffix!r}", "a folder, .mcap or .db3")
        self._per_message = (info.compression_mode or "").lower() == "message"
        if (info.compression_mode or "").lower() not in ("", "none") and info.compression_format != "zstd":
            raise _unsupported(self.path, f"compression by {info.compression_format}")
        for name in info.relative_file_paths:
            file = folder / PurePath(name).name
            if not file.is_file():
                raise EpisodeError(self.path, f"{METADATA_FILE}: relative_file_paths", f"no file {file.name}", "it")
            self._open_file(self._plain(file) if (info.compression_mode or "").lower() == "file" else file)
        self.notes |= info.custom_data or {}

    def _plain(self, file: Path) -> Path:
        """A file that was compressed as a whole, decompressed."""
        plain = Path(self._stack.enter_context(TemporaryDirectory())) / file.stem
        try:
            with file.open("rb") as packed, zstd.open(packed, "rb") as source, plain.open("wb") as target:
                _copy(source, target, MAX_FILE_BYTES)
        except (zstd.ZstdError, EOFError, ValueError) as error:
            raise _damaged(self.path, error) from None
        return plain

    def _open_file(self, file: Path) -> None:
        if file.suffix not in SUFFIXES:
            raise _unsupported(self.path, f"storage in {file.suffix!r} files")
        log = file.with_name(f"{file.name}-wal")
        if log.is_file() and log.stat().st_size:
            raise EpisodeError(self.path, log.name, "messages that are not in the database yet", REPAIR)
        reader = McapFile(file) if file.suffix == ".mcap" else Sqlite3File(file)
        try:
            if file.suffix == ".mcap":
                check_ends(file)
            reader.open()
        except Exception as error:
            raise _reason(self.path, error) from None
        self._stack.callback(reader.close)
        self._files.append(reader)
        if file.suffix == ".mcap":
            self.notes |= notes_in(file)

    def _named(self, stream: Iterator[Message]) -> Iterator[Message]:
        """The same messages, decompressed; failures as EpisodeErrors."""
        while True:
            try:
                connection, log_ns, raw = next(stream)
                content = _unpacked(raw) if self._per_message else raw
            except StopIteration:
                return
            except Exception as error:
                raise _reason(self.path, error) from None
            yield connection, log_ns, content


def _copy(source: Any, target: IO[bytes], most: int) -> None:
    """Copy a stream of at most `most` bytes, and keep a share of the disk free."""
    while block := source.read(1 << 20):
        most -= len(block)
        if most < 0 or shutil.disk_usage(target.name).free < MIN_FREE_BYTES:
            raise ValueError("more bytes after decompression than there is room for")
        target.write(block)


def _unpacked(raw: bytes) -> bytes:
    unpack = zstd.ZstdDecompressor()
    content = unpack.decompress(raw, MAX_MESSAGE_BYTES)
    if not unpack.eof:
        raise ValueError(f"a message that is cut, or has more than {MAX_MESSAGE_BYTES} bytes")
    return content


def serialization(connection: Connection) -> str:
    """How the messages of a connection are serialized; only CDR can be decoded."""
    return getattr(connection.ext, "serialization_format", CDR)


def _bag_info(folder: Path) -> BagInfo:
    file = folder / METADATA_FILE
    if not file.is_file():
        raise EpisodeError(folder, "", f"no {METADATA_FILE}", REPAIR)
    content = read_mapping(file, MAX_METADATA_BYTES, EpisodeError)
    key = "rosbag2_bagfile_information"
    return validate(BagInfo, content.get(key), file, EpisodeError, f"{key}.")


def _of_file(file: McapFile | Sqlite3File, topics: Collection[str] | None, as_written: bool) -> Iterator[Message]:
    chosen = [each for each in file.connections if topics is None or each.topic in topics]
    if not chosen:
        return iter(())
    return file.as_written(chosen) if as_written else file.in_order(chosen)


def _reason(path: Path, error: Exception) -> EpisodeError:
    text = str(error)
    if "support" in text.lower() or "Profile is not" in text:
        return _unsupported(path, text)
    return _damaged(path, error)


def _unsupported(path: Path, what: str) -> EpisodeError:
    return EpisodeError(path, "", f"content that is not supported ({what})", "ROS 2 messages as MCAP or sqlite3")


def _damaged(path: Path, error: Exception) -> EpisodeError:
    return EpisodeError(path, "", f"truncated or damaged content ({error})", REPAIR)
