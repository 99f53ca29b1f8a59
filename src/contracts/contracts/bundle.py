"""Bundles: a directory with `manifest.yaml` and the files it lists, read and verified whole, or refused."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Literal, overload

from contracts.errors import FileError, validate
from contracts.files import dump_yaml, read_bytes, read_mapping, write_atomic
from contracts.manifest import MANIFEST_NAME, CodecManifest, FileEntry, Manifest, PolicyManifest

MAX_MANIFEST_BYTES = 1 << 20
MAX_FILE_BYTES = 1 << 30


class BundleError(FileError):
    """A bundle that must not be used."""


@overload
def load_manifest(directory: Path | str, kind: Literal["codec"]) -> CodecManifest: ...
@overload
def load_manifest(directory: Path | str, kind: Literal["policy"]) -> PolicyManifest: ...
def load_manifest(directory: Path | str, kind: Literal["codec", "policy"]) -> Manifest:
    """Return the manifest of a bundle of `kind`, after the size and the hash of each of its files were verified.

    Raises:
        BundleError: A file is missing, damaged or of another kind of bundle; a field is wrong.
    """
    directory = Path(directory)
    path = directory / MANIFEST_NAME
    content = read_mapping(path, MAX_MANIFEST_BYTES, BundleError)
    if content.get("kind") != kind:
        raise BundleError(path, "kind", content.get("kind"), kind)
    model: Any = {"codec": CodecManifest, "policy": PolicyManifest}[kind]
    manifest: Manifest = validate(model, content, path, BundleError)
    for name in manifest.files:
        read_verified(directory, manifest, name)
    return manifest


def read_verified(directory: Path | str, manifest: Manifest, name: str) -> bytes:
    """Return the content of a file of the bundle, after its size and hash were compared with the manifest.

    Raises:
        BundleError: The manifest does not list the file, or it is not the one that is listed.
    """
    path = Path(directory) / name
    entry = manifest.files.get(name)
    if entry is None:
        raise BundleError(Path(directory) / MANIFEST_NAME, "files", sorted(manifest.files), f"an entry {name}")
    content = read_bytes(path, MAX_FILE_BYTES, BundleError)
    if len(content) != entry.bytes:
        raise BundleError(path, "size", f"{len(content)} bytes", f"{entry.bytes} bytes")
    digest = hashlib.sha256(content).hexdigest()
    if digest != entry.sha256:
        raise BundleError(path, "sha256", digest, entry.sha256)
    return content


def write_manifest(directory: Path | str, manifest: Manifest) -> Path:
    """Verify the files in `directory`, then write the manifest in one step; it is the last file a bundle gets.

    Raises:
        BundleError: A file is not as listed.
        OSError: The manifest cannot be written.
    """
    directory = Path(directory)
    for name in manifest.files:
        read_verified(directory, manifest, name)
    path = directory / MANIFEST_NAME
    content = manifest.model_dump(mode="json")
    for name in ("files", "training", "metrics"):  # after what is particular to the kind: they are long
        content[name] = content.pop(name)
    write_atomic(path, dump_yaml(content))
    return path


def describe_file(path: Path | str) -> FileEntry:
    """Return the size and the hash of a file, for the manifest.

    Raises:
        BundleError: The file cannot be read.
    """
    content = read_bytes(path, MAX_FILE_BYTES, BundleError)
    return FileEntry(sha256=hashlib.sha256(content).hexdigest(), bytes=len(content))


def content_id(name: str, content: bytes) -> str:
    """Return `name@12hex`: the identity of what has `content` as its weights."""
    return f"{name}@{hashlib.sha256(content).hexdigest()[:12]}"


def bundle_sha256(directory: Path | str) -> str:
    """Return the hash of the manifest, which identifies the whole bundle: it contains the hash of each file."""
    content = read_bytes(Path(directory) / MANIFEST_NAME, MAX_MANIFEST_BYTES, BundleError)
    return hashlib.sha256(content).hexdigest()
