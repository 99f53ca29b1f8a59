"""Checks of figures against limits: the rows of a bench's table."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from contracts.files import write_atomic
from contracts.results import TableConsole


@dataclass(frozen=True)
class Check:
    """One requirement; `found` and `asked` are texts with units."""

    what: str
    found: str
    asked: str
    ok: bool


def at_most(what: str, found: float | None, limit: float, unit: str) -> Check:
    """Check that `found` is at most `limit`; it fails if not measured."""
    words = "not measured" if found is None else f"{found:.3g} {unit}"
    return Check(what, words, f"at most {limit:g} {unit}", found is not None and found <= limit)


def at_least(what: str, found: float | None, limit: float, unit: str) -> Check:
    """Check that `found` is at least `limit`; it fails if not measured."""
    words = "not measured" if found is None else f"{found:.4g} {unit}"
    return Check(what, words, f"at least {limit:g} {unit}", found is not None and found >= limit)


def table(title: str, checks: Iterable[Check]) -> Table:
    """A table with a row per check."""
    made = grid(title, "", "found", "asked", "ok")
    for check in checks:
        made.add_row(
            check.what, check.found, check.asked, Text(*(("yes", "green") if check.ok else ("no", "bold red")))
        )
    return made


def grid(title: str, *columns: str) -> Table:
    """An empty table of a bench: the first column is a name, the others are figures."""
    made = Table(title=title, title_justify="left", show_edge=False, pad_edge=False)
    for place, column in enumerate(columns):
        made.add_column(column, justify="right" if place else "left", no_wrap=not place)
    return made


def console() -> TableConsole:
    """A console, 160 columns wide without a terminal."""
    made = TableConsole(highlight=False)
    return made if made.is_terminal else TableConsole(highlight=False, width=160)


def write(path: Path | None, figures: Mapping[str, Any], checks: Iterable[Check]) -> None:
    """Write the figures and the checks as JSON, if there is a path."""
    if path is not None:
        content = {**figures, "checks": [asdict(check) for check in checks]}
        write_atomic(path, json.dumps(content, indent=2, allow_nan=False) + "\n")
