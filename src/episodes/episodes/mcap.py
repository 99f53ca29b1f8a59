"""MCAP records read one after another, also from a file that was cut or is damaged; https://mcap.dev/spec."""

from __future__ import annotations

import struct
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import yaml
from rosbags.interfaces import Qos
from rosbags.rosbag2.storage_mcap import decompress, get_qos

from contracts.errors import FileError
from contracts.files import parse_yaml
from episodes.limits import (
    MAX_CHUNK_BYTES,
    MAX_DESCRIPTION_BYTES,
    MAX_MESSAGE_BYTES,
    MAX_METADATA_BYTES,
    MAX_SUMMARY_BYTES,
)

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd  # as in rosbags

MAGIC = b"\x89MCAP0\r\n"
CDR = "cdr"
ROS_SCHEMAS = ("ros2msg", "ros2idl", "omgidl", "unknown", "")  # rosbag2 writes "unknown" if it finds no definition
NOTES = "crosshand"  # name of the metadata record with what the writer knows at the start
HEADER, SCHEMA, CHANNEL, MESSAGE, CHUNK, METADATA, DATA_END = 0x01, 0x03, 0x04, 0x05, 0x06, 0x0C, 0x0F
HEAD = struct.Struct("<BQ")
_FOOTER = struct.Struct("<BQQQI")  # code, length, start of the summary, start of its offsets, checksum
FOOTER = 0x02
_MESSAGE = struct.Struct("<HIQQ")  # channel, number, time of reception, time of sending
_MOST = {  # bytes of a record that is read
    HEADER: MAX_DESCRIPTION_BYTES,
    SCHEMA: MAX_DESCRIPTION_BYTES,
    CHANNEL: MAX_DESCRIPTION_BYTES,
    MESSAGE: _MESSAGE.size + MAX_MESSAGE_BYTES,
    CHUNK: MAX_CHUNK_BYTES,
    METADATA: MAX_METADATA_BYTES,
}


@dataclass(frozen=True)
class Channel:
    """A topic of the file."""

    topic: str
    msgtype: str
    serialization: str
    definition: str = ""
    qos: tuple[Qos, ...] = ()


@dataclass
class Described:
    """What the schema and channel records of a file say: name, encoding and text of a schema, and channels, by number.

    The text of a schema that is not of ROS is left out. Messages of a channel with such a schema are not CDR, whatever
    the channel calls them.
    """

    schemas: dict[int, tuple[str, str, str]] = field(default_factory=dict)
    channels: dict[int, Channel] = field(default_factory=dict)

    def take(self, code: int, content: bytes) -> None:
        """Take a record; those of other kinds have no effect.

        Raises:
            ValueError, struct.error: For a damaged one.
        """
        if code == SCHEMA:
            name, at = _text(content, 2)
            encoding, at = _text(content, at)
            definition = _text(content, at)[0] if encoding in ROS_SCHEMAS else ""
            self.schemas[struct.unpack_from("<H", content)[0]] = (name, encoding, definition)
        elif code == CHANNEL:
            number, schema = struct.unpack_from("<HH", content)
            name, encoding, definition = self.schemas.get(schema, ("", "", ""))
            topic, at = _text(content, 4)
            serialization, at = _text(content, at)
            if serialization == CDR and encoding not in ROS_SCHEMAS:
                serialization = encoding
            self.channels[number] = Channel(topic, name, serialization, definition, _qos(content[at + 4 :]))


@dataclass
class Walk:
    """What a walk through a file found: bytes that were read of how many, and records that are damaged or too long."""

    size: int = 0
    read: int = len(MAGIC)
    damaged: int = 0


def metadata_record(name: str, entries: dict[str, str]) -> bytes:
    """A metadata record."""
    pairs = b"".join(_packed(key) + _packed(value) for key, value in entries.items())
    content = _packed(name) + struct.pack("<I", len(pairs)) + pairs
    return HEAD.pack(METADATA, len(content)) + content


def notes_in(file: Path) -> dict[str, str]:
    """The notes in the metadata records of a file: those written first, and over them those of its end."""
    notes: dict[str, str] = {}
    with file.open("rb") as stream:
        for code, content in records(stream, Walk(), {METADATA}):
            try:
                name, entries = _metadata(content) if code == METADATA else ("", {})
                if name == "rosbag2":
                    serialized = parse_yaml(entries.get("serialized_metadata", ""), file)
                    entries = (serialized.get("custom_data") if isinstance(serialized, dict) else None) or {}
                if name in (NOTES, "rosbag2"):
                    notes |= {str(key): str(value) for key, value in entries.items()}
            except (struct.error, ValueError, AttributeError, FileError, yaml.YAMLError):
                continue  # a damaged note is none
    return notes


def write_summary_checksum(file: Path) -> None:
    """Write the checksum of the summary (the index, after the data) into the footer of a file that was closed."""
    with file.open("r+b") as stream:
        start, end, _ = _summary(stream)
        computed = _checksum(stream, start, end)
        stream.seek(-len(MAGIC) - 4, 2)
        stream.write(struct.pack("<I", computed))


def check_ends(file: Path) -> None:
    """Check the header of a file, and compare its summary with its checksum, if it has both.

    Raises:
        ValueError: If the header is too long or the checksum differs; topics, times and places of the messages are read
            from the summary.
    """
    with file.open("rb") as stream:
        head = stream.read(len(MAGIC) + HEAD.size)[len(MAGIC) :]
        if len(head) == HEAD.size:
            _check_length(HEADER, HEAD.unpack(head)[1])
        start, end, written = _summary(stream)
        if written and end - start > MAX_SUMMARY_BYTES:
            raise ValueError(f"an index of {end - start} bytes, at most {MAX_SUMMARY_BYTES} are read")
        if written and _checksum(stream, start, end) != written:
            raise ValueError("the checksum of its index is wrong")


def _summary(stream: BinaryIO) -> tuple[int, int, int]:
    """Start and end of the summary and its checksum as written; zeros for a file without summary or footer."""
    end = stream.seek(0, 2) - len(MAGIC) - _FOOTER.size
    if end < len(MAGIC):
        return 0, 0, 0
    stream.seek(end)
    code, length, start, _, written = _FOOTER.unpack(stream.read(_FOOTER.size))
    if code != FOOTER or length != _FOOTER.size - HEAD.size or not len(MAGIC) <= start <= end:
        return 0, 0, 0
    return start, end + _FOOTER.size - 4, written


def _checksum(stream: BinaryIO, start: int, end: int) -> int:
    stream.seek(start)
    left, computed = end - start, 0
    while left > 0 and (block := stream.read(min(left, 1 << 20))):
        left -= len(block)
        computed = zlib.crc32(block, computed)
    return computed


def salvage(file: Path, walk: Walk) -> Iterator[tuple[Channel, int, bytes]]:
    """Every whole message of a file as (channel, time of reception in ns, bytes), in the order of writing.

    Args:
        file: The file, which may end anywhere.
        walk: Counts what was read.
    """
    described = Described()
    with file.open("rb") as stream:
        for code, content in records(stream, walk, {SCHEMA, CHANNEL, MESSAGE, CHUNK}):
            try:
                inner = records_of_chunk(content) if code == CHUNK else [(code, content)]
            except Exception:  # of three decompressors and the checksum: the chunk is lost, the next may be whole
                walk.damaged += 1
                continue
            for kind, raw in inner:
                try:
                    described.take(kind, raw)
                    found = message(raw) if kind == MESSAGE else None
                except (ValueError, struct.error):
                    walk.damaged += 1
                    continue
                if found is not None and found[0] in described.channels:
                    yield described.channels[found[0]], *found[1:]


def records(stream: BinaryIO, walk: Walk, wanted: set[int]) -> Iterator[tuple[int, bytes]]:
    """Whole records of some kinds up to the end of the data, or to where the file is cut.

    One that is too long is left out and counted as damaged.
    """
    walk.size = stream.seek(0, 2)
    stream.seek(0)
    if stream.read(len(MAGIC)) != MAGIC:
        return
    while len(head := stream.read(HEAD.size)) == HEAD.size:
        code, length = HEAD.unpack(head)
        end = stream.tell() + length
        if end > walk.size or not 0 < code <= DATA_END:
            return
        if code in wanted and length <= _MOST[code]:
            yield code, stream.read(length)
        elif code in wanted:
            walk.damaged += 1
        stream.seek(end)
        walk.read = walk.size if code == DATA_END else end  # an index, which is not needed, follows the data
        if code == DATA_END:
            return


def record_at(stream: BinaryIO, place: int) -> tuple[int, bytes]:
    """The record at a place in a file.

    Raises:
        ValueError, struct.error: There is none, or it is too long.
    """
    stream.seek(place)
    code, length = HEAD.unpack(stream.read(HEAD.size))
    _check_length(code, length)
    content = stream.read(length)
    if len(content) != length:
        raise ValueError("a record beyond the end of the file")
    return code, content


def _check_length(code: int, length: int) -> None:
    if length > _MOST.get(code, 0):
        raise ValueError(f"a record of kind {code} of {length} bytes, at most {_MOST.get(code, 0)} are read")


def message(content: bytes) -> tuple[int, int, bytes]:
    """Number of the channel, time of reception in ns, and bytes of the message in a message record."""
    number, _, log_ns, _ = _MESSAGE.unpack_from(content)
    return number, log_ns, content[_MESSAGE.size :]


def records_of_chunk(content: bytes) -> list[tuple[int, bytes]]:
    """The records in a chunk, decompressed.

    Raises:
        Exception: Of three decompressors, or ValueError, for a damaged one.
    """
    size, checksum = struct.unpack_from("<QI", content, 16)
    if size > MAX_CHUNK_BYTES:
        raise ValueError(f"a chunk of {size} bytes")
    compression, at = _text(content, 28)
    (length,) = struct.unpack_from("<Q", content, at)
    packed = content[at + 8 : at + 8 + length]
    if compression == "zstd":
        packed, compression = _unpacked(packed, size), ""
    return list(records_in(decompress(packed, compression, size, checksum)))


def _unpacked(packed: bytes, size: int) -> bytes:
    """The bytes that zstd packed; of more than `size`, those up to the first one too many."""
    unpack = zstd.ZstdDecompressor()
    content = unpack.decompress(packed, size + 1)
    if not unpack.eof and len(content) <= size:
        raise ValueError("a chunk that is cut")
    return content


def records_in(raw: bytes) -> Iterator[tuple[int, bytes]]:
    """The records in some bytes, one after the other; the last one may be cut."""
    at = 0
    while at + HEAD.size <= len(raw):
        code, length = HEAD.unpack_from(raw, at)
        at += HEAD.size + length
        yield code, raw[at - length : at]


def _qos(content: bytes) -> tuple[Qos, ...]:
    try:
        return tuple(get_qos(content))
    except Exception:  # whatever rosbags raises: a quality of service that it does not know is none
        return ()


def _metadata(content: bytes) -> tuple[str, dict[str, str]]:
    name, at = _text(content, 0)
    at += 4
    entries = {}
    while at < len(content):
        key, at = _text(content, at)
        entries[key], at = _text(content, at)
    return name, entries


def _text(content: bytes, at: int) -> tuple[str, int]:
    """The text at a place, and the place after it."""
    (length,) = struct.unpack_from("<I", content, at)
    at += 4
    if at + length > len(content):
        raise ValueError("text beyond its record")
    return content[at : at + length].decode(), at + length


def _packed(text: str) -> bytes:
    raw = text.encode()
    return struct.pack("<I", len(raw)) + raw
