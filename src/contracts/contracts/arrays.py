"""Arrays in .npz files, bounded in what they hold and not only in what they take on disk; no pickle."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np

from contracts.errors import FileError
from contracts.files import read_bytes

MAX_ARRAYS = 1024
_BOUNDED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def read_arrays(path: Path | str, max_bytes: int, error: type[FileError] = FileError) -> dict[str, np.ndarray]:
    """Return all arrays of an .npz file, by name.

    Args:
        path: The file.
        max_bytes: Most bytes of the file, and most bytes of all arrays together.
        error: Class of the error.

    Raises:
        FileError: Of class `error`: not a readable file of such arrays, or larger.
    """
    return parse_arrays(read_bytes(path, max_bytes, error), path, max_bytes, error)


def parse_arrays(
    content: bytes, file: Path | str, max_bytes: int, error: type[FileError] = FileError
) -> dict[str, np.ndarray]:
    """Return all arrays of an .npz file's `content`; `file` is for the message. See `read_arrays`."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = archive.infolist()
            if packed := next((m for m in members if m.compress_type not in _BOUNDED), None):
                # zipfile bounds what it unpacks only of these; of bzip2 and lzma it takes all that there is
                raise error(file, packed.filename, f"compression method {packed.compress_type}", "none or deflate")
            total = sum(member.file_size for member in members)
            if total > max_bytes or len(members) > MAX_ARRAYS:
                raise error(file, "", f"{len(members)} arrays of {total} bytes", f"at most {max_bytes} bytes")
            return {member.filename.removesuffix(".npy"): _array(archive, member) for member in members}
    except FileError:
        raise
    except Exception as problem:  # a damaged archive raises whatever zipfile, zlib and numpy meet in it
        raise error(file, "", f"{type(problem).__name__} ({problem})", "an .npz file without objects") from None


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    """One array. numpy allocates what the header declares, so that must be the size of the member."""
    with archive.open(member) as stream:
        version = np.lib.format.read_magic(stream)
        read_header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        shape, _, dtype = read_header[version](stream)
        declared = dtype.itemsize
        for size in shape:
            declared *= size
        plain = dtype.itemsize and not dtype.hasobject and min(shape, default=0) >= 0
        if not plain or stream.tell() + declared != member.file_size:
            raise ValueError(f"{member.filename}: {dtype} {shape} in {member.file_size} bytes")
        stream.seek(0)
        return np.lib.format.read_array(stream, allow_pickle=False)
