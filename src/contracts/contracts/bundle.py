"""Bundles: a directory with `manifest.yaml` and the files it lists. Read whole and verified whole, or refused.

Every error is a `BundleError` of one line that says which file, which field, what was found and what was expected.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import yaml
from pydantic import ValidationError

from contracts.axes import latent_axes
from contracts.manifest import (
    MANIFEST_NAME,
    CodecContract,
    FileEntry,
    HandEntry,
    Manifest,
    ObservationContract,
    PolicyContract,
    Training,
)

__all__ = [
    "MANIFEST_NAME",
    "BundleError",
    "CodecContract",
    "FileEntry",
    "HandEntry",
    "Manifest",
    "ObservationContract",
    "PolicyContract",
    "Training",
    "bundle_sha256",
    "content_id",
    "describe_file",
    "load_manifest",
    "read_verified",
    "write_manifest",
]

MAX_MANIFEST_BYTES = 1 << 20
MAX_FILE_BYTES = 1 << 30


class BundleError(ValueError):
    """A bundle that must not be used; the message is one line: file, field, found, expected."""

    def __init__(self, file: Path | str, field: str, found: object, expected: object) -> None:
        self.file, self.field, self.found, self.expected = str(file), field, found, expected
        super().__init__(f"{file}: {field}: found {_short(found)}, expected {_short(expected)}")


def load_manifest(directory: Path | str, kind: str) -> Manifest:
    """Read the manifest of a bundle of `kind` ("codec" or "policy") and verify each file. Raises BundleError."""
    directory = Path(directory)
    path = directory / MANIFEST_NAME
    manifest = _parse(path)
    if manifest.kind != kind:
        raise BundleError(path, "kind", manifest.kind, kind)
    if manifest.codec is not None:
        _check_axes(path, manifest, manifest.codec.latent_dim)
    for name in manifest.files:
        read_verified(directory, manifest, name)
    return manifest


def read_verified(directory: Path | str, manifest: Manifest, name: str) -> bytes:
    """Content of one listed file, after its size and hash were compared with the manifest. Raises BundleError."""
    path = Path(directory) / name
    entry = manifest.files.get(name)
    if entry is None:
        raise BundleError(Path(directory) / MANIFEST_NAME, "files", sorted(manifest.files), f"an entry {name}")
    content = _read(path, "content", MAX_FILE_BYTES)
    if len(content) != entry.bytes:
        raise BundleError(path, "size", f"{len(content)} bytes", f"{entry.bytes} bytes")
    digest = hashlib.sha256(content).hexdigest()
    if digest != entry.sha256:
        raise BundleError(path, "sha256", digest, entry.sha256)
    return content


def write_manifest(directory: Path | str, manifest: Manifest) -> Path:
    """Verify the files in `directory`, then write the manifest atomically; it is the last thing a bundle gets."""
    directory = Path(directory)
    for name in manifest.files:
        read_verified(directory, manifest, name)
    path, partial = directory / MANIFEST_NAME, directory / f".{MANIFEST_NAME}.partial"
    text = yaml.safe_dump(manifest.model_dump(mode="json", exclude_none=True), sort_keys=False, width=120)
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, path)
    return path


def describe_file(path: Path | str) -> FileEntry:
    """Size and hash of a file, for the manifest."""
    content = _read(Path(path), "content", MAX_FILE_BYTES)
    return FileEntry(sha256=hashlib.sha256(content).hexdigest(), bytes=len(content))


def content_id(name: str, content: bytes) -> str:
    """`name@12hex`: the identity of something whose weights are `content`."""
    return f"{name}@{hashlib.sha256(content).hexdigest()[:12]}"


def bundle_sha256(directory: Path | str) -> str:
    """Hash of the manifest; since that holds the hash of each file, it stands for the whole bundle."""
    return hashlib.sha256(_read(Path(directory) / MANIFEST_NAME, "content", MAX_MANIFEST_BYTES)).hexdigest()


def _parse(path: Path) -> Manifest:
    try:
        data = yaml.safe_load(_read(path, "content", MAX_MANIFEST_BYTES).decode("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BundleError(path, "content", " ".join(str(error).split()), "YAML") from None
    if not isinstance(data, dict):
        raise BundleError(path, "content", type(data).__name__, "a mapping")
    try:
        return Manifest.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or "content"
        found = "nothing" if first["type"] == "missing" else first["input"] if first["loc"] else "a contradiction"
        raise BundleError(path, field, found, first["msg"]) from None


def _check_axes(path: Path, manifest: Manifest, latent_dim: int) -> None:
    expected = latent_axes(latent_dim)
    if manifest.axes != expected:
        raise BundleError(path, "axes", " ".join(manifest.axes), " ".join(expected))


def _read(path: Path, field: str, limit: int) -> bytes:
    try:
        size = path.stat().st_size
        if size > limit:
            raise BundleError(path, field, f"{size} bytes", f"at most {limit} bytes")
        return path.read_bytes()
    except OSError as error:
        raise BundleError(path, field, error.strerror or type(error).__name__, "a readable file") from None


def _short(value: object) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= 300 else f"{text[:297]}..."
