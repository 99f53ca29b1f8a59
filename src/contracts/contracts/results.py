"""Pages of results: a bench writes the tables that it prints into a Markdown page (`--markdown FILE`).

A page holds one block a bench, between `<!-- results: NAME -->` and `<!-- end -->`. A block names the command, the date
and the machine. What stands outside the blocks is written by hand and stays.
"""

from __future__ import annotations

import datetime
import os
import platform
import re
import shlex
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from contracts.files import read_bytes, write_atomic

MAX_PAGE_BYTES = 8 << 20
END = "<!-- end -->"
HIDDEN = ("--json", "--markdown", "--root")  # options that say where files go, and not which figures
WORKSPACE = "CROSSHAND_WS"  # names in pages are relative to this folder
WIDE = 200  # columns of a file or pipe, where nobody wants tables cut to 80


class TableConsole(Console):
    """A console that keeps the tables it has printed, so that a page says what was shown.

    Brackets are text, as names and reasons from files have them; styles are given by `Text`.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, **options)
        self.tables: list[Table] = []

    def print(self, *objects: Any, **options: Any) -> None:
        """Print, and keep what is a table."""
        self.tables += [item for item in objects if isinstance(item, Table)]
        super().print(*objects, **options)


def wide_console() -> TableConsole:
    """A console as wide as the terminal, or wide enough for all columns where the output is none."""
    return TableConsole(width=None if sys.stdout.isatty() else WIDE)


def command_line(command: str, arguments: Sequence[str] | None = None) -> str:
    """The command that a person would type.

    Args:
        command: Its beginning, such as `./ws bench fuzz`.
        arguments: Those after it; None takes the process's. Options that say where files go are left out.
    """
    words, kept = list(sys.argv[1:] if arguments is None else arguments), []
    while words:
        word = words.pop(0)
        if word in HIDDEN:
            words = words[1:]
        elif not word.startswith(("port:=", *(f"{option}=" for option in HIDDEN))):
            kept.append(word)
    return " ".join([command, *map(shlex.quote, kept)])


def write(path: Path | None, name: str, command: str, tables: Iterable[Table], notes: Iterable[str] = ()) -> None:
    """Replace the block `name` of a page, or add it at the end; without a path nothing happens.

    Args:
        path: The page; it is created where it is missing.
        name: Of the block.
        command: What made the figures (see `command_line`).
        tables: As printed.
        notes: Lines below them.

    Raises:
        OSError: The page cannot be written.
    """
    if path is None:
        return
    parts = [_origin(command), *map(markdown, tables), *(f"{note}\n" for note in notes)]
    _put(path, name, "\n".join(parts))


def write_row(path: Path | None, name: str, command: str, columns: Sequence[str], row: Sequence[object]) -> None:
    """Add a row to the table of the block `name`, in place of one with the same first two cells.

    Rows stay while the command does: another one begins a table of its own. Arguments as of `write`.
    """
    if path is None:
        return
    head = [_row(columns), "|" + "---|" * len(columns)]
    old = _block(_text(path), name)
    kept = re.findall(r"^\| (?!-).*$", old, re.MULTILINE)[1:] if f"`{command}`" in old else []
    new, key = _row(row), _row(row[:2])
    rows = [line for line in kept if not line.startswith(key)]
    _put(path, name, "\n".join([_origin(command), *head, *rows, new, ""]))


def markdown(table: Table) -> str:
    """A table as Markdown: its title in bold, one line a row, no colours."""
    columns = list(table.columns)
    cells = zip(*([_plain(cell) for cell in column.cells] for column in columns), strict=True)
    marks = ["--:" if column.justify == "right" else "---" for column in columns]
    lines = [_row([_plain(column.header) for column in columns]), f"|{'|'.join(marks)}|", *map(_row, cells)]
    title = [f"**{_plain(table.title)}**", ""] if table.title else []
    caption = ["", *_plain(table.caption).splitlines()] if table.caption else []
    return "\n".join([*title, *lines, *caption, ""])


def machine() -> str:
    """The class of this machine: processors and Python."""
    model = platform.processor() or platform.machine()
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
        model = found[1] if found else model
    except OSError:
        pass
    return f"{os.cpu_count()} logical CPUs ({model}), {platform.system()}, Python {platform.python_version()}"


def _origin(command: str) -> str:
    return f"`{command}`, {datetime.date.today().isoformat()}, {machine()}\n"


def _plain(cell: Any) -> str:
    return getattr(cell, "plain", str(cell))


def _row(cells: Iterable[object]) -> str:
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"


def _begin(name: str) -> str:
    return f"<!-- results: {name} -->"


def _block(text: str, name: str) -> str:
    found = re.search(f"{re.escape(_begin(name))}\n(.*?){re.escape(END)}", text, re.DOTALL)
    return found[1] if found else ""


def _text(path: Path) -> str:
    """The page; empty where there is none yet."""
    return read_bytes(path, MAX_PAGE_BYTES).decode("utf-8", errors="replace") if path.exists() else ""


def _put(path: Path, name: str, content: str) -> None:
    text = _text(path) or f"# Results: {name}\n"
    root = os.environ.get(WORKSPACE, "")
    content = content.replace(f"{root}/", "") if root else content
    block = f"{_begin(name)}\n\n{content.strip()}\n\n{END}"
    pattern = re.compile(f"{re.escape(_begin(name))}\n.*?{re.escape(END)}", re.DOTALL)
    new = pattern.sub(lambda _: block, text) if pattern.search(text) else f"{text.rstrip()}\n\n{block}\n"
    write_atomic(path, new)
