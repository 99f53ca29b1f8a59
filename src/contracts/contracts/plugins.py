"""Plug-ins by name: objects that installed packages register under an entry-point group."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import Any


class PluginError(LookupError):
    """No plug-in of that name, or its import failed; the text lists what exists."""


def names(group: str) -> tuple[str, ...]:
    """Return the sorted names registered under ``group``."""
    return tuple(sorted({entry.name for entry in entry_points(group=group)}))


def load(group: str, name: str) -> Any:
    """Import and return the object registered as ``name`` under ``group``.

    Only the plug-in asked for is imported, so a missing vendor library affects no other plug-in.

    Raises:
        PluginError: unknown name, or the plug-in's module cannot be imported.
    """
    try:
        return _find(group, name).load()
    except (ImportError, AttributeError) as error:
        raise PluginError(f"{group}: '{name}' cannot be loaded: {error}") from error


def _find(group: str, name: str) -> EntryPoint:
    for entry in entry_points(group=group):
        if entry.name == name:
            return entry
    known = ", ".join(names(group)) or "none is installed"
    raise PluginError(f"{group}: found '{name}', expected one of: {known}")
