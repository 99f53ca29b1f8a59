"""The error of this package."""

from __future__ import annotations

from contracts.errors import FileError


class EmbodimentError(FileError):
    """A robot description that cannot be used."""
