"""Arrays from anybody: as large as allowed or refused, on disk and unpacked."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from contracts.arrays import parse_arrays, read_arrays
from contracts.errors import FileError


def npz(**members: bytes) -> bytes:
    """A zip archive of members that need not be arrays."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return buffer.getvalue()


def npy(array: np.ndarray) -> bytes:
    """The bytes of one array's file."""
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def promising(shape: tuple[int, ...], content: bytes = b"") -> bytes:
    """A .npy file whose header promises `shape` of float64, whatever follows."""
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "<f8", "fortran_order": False, "shape": shape})
    return buffer.getvalue() + content


def refusal(content: bytes, max_bytes: int = 10_000) -> str:
    """The line with which the content is refused."""
    with pytest.raises(FileError) as caught:
        parse_arrays(content, "file.npz", max_bytes)
    return str(caught.value)


def test_arrays_are_read_back_as_numpy_wrote_them(tmp_path: Path) -> None:
    arrays = {"a": np.arange(6.0).reshape(2, 3), "b": np.array("text"), "c": np.asfortranarray(np.eye(3, dtype=int))}
    np.savez_compressed(tmp_path / "file.npz", **arrays)
    found = read_arrays(tmp_path / "file.npz", 10_000)
    assert set(found) == set(arrays)
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype and found[name].flags.writeable
        np.testing.assert_array_equal(found[name], array)


def test_small_file_that_unpacks_to_more_than_allowed_is_refused() -> None:
    bomb = npz(zeros=npy(np.zeros(5_000_000)))
    assert len(bomb) < 100_000
    assert "expected at most 1000000 bytes" in refusal(bomb, 1_000_000)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_compression_that_zipfile_unpacks_without_bound_is_refused(method: int) -> None:
    buffer, small = io.BytesIO(), npy(np.zeros(10))
    with zipfile.ZipFile(buffer, "w", method) as archive:
        archive.writestr("a.npy", small)
    assert f"a.npy: found compression method {method}, expected none or deflate" in refusal(buffer.getvalue())


def test_many_elements_of_no_size_are_refused() -> None:
    buffer = io.BytesIO()
    header = {"descr": "|S0", "fortran_order": False, "shape": (1 << 40,)}
    np.lib.format.write_array_header_1_0(buffer, header)
    assert "ValueError" in refusal(npz(a=buffer.getvalue()))


def test_many_arrays_that_together_are_too_large_are_refused() -> None:
    content = npz(**{f"a{index}": npy(np.zeros(100)) for index in range(20)})
    assert "20 arrays of" in refusal(content)


@pytest.mark.parametrize("shape", [(1 << 40,), (1 << 40, 1 << 40), (3,), (-1,), (2, -2)])
def test_header_that_promises_other_bytes_than_there_are_is_refused(shape: tuple[int, ...]) -> None:
    assert "ValueError" in refusal(npz(a=promising(shape, bytes(16))))


def test_zip_directory_that_understates_an_array_is_refused() -> None:
    content, size = npz(a=npy(np.zeros(2000))), len(npy(np.zeros(2000)))
    lie = content.replace(size.to_bytes(4, "little"), (500).to_bytes(4, "little"))
    assert lie != content
    assert "expected an .npz file without objects" in refusal(lie, 1000)


@pytest.mark.parametrize(
    "content",
    [b"", b"PK\x03\x04", npz(a=b""), npz(a=b"\x93NUMPY\x09\x00"), npz(a=npy(np.zeros(3))[:-1]), npy(np.zeros(3))],
)
def test_content_that_is_no_npz_file_is_refused(content: bytes) -> None:
    assert "expected an .npz file without objects" in refusal(content)


def test_objects_are_refused() -> None:
    buffer = io.BytesIO()
    np.savez(buffer, a=np.array([{}], dtype=object))
    assert "expected an .npz file without objects" in refusal(buffer.getvalue())


def test_damaged_byte_is_refused() -> None:
    buffer = io.BytesIO()
    np.savez(buffer, a=np.arange(100.0))
    damaged = bytearray(buffer.getvalue())
    damaged[400] ^= 1
    assert "BadZipFile" in refusal(bytes(damaged))
