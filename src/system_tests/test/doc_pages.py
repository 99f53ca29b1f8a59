"""Fenced blocks of the documentation, with the comment that stands before each."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

BLOCK = re.compile(
    r"(?:^<!-- (?P<note>[^\n]*) -->\n)?^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)


@dataclass(frozen=True)
class Block:
    """A fenced block; `note` is the comment right before it, "" without one."""

    language: str
    text: str
    note: str

    @property
    def commands(self) -> list[list[str]]:
        """The commands of a bash block, each as words; lines that end in a backslash go on."""
        lines = self.text.replace("\\\n", " ").splitlines()
        return [words for line in lines if (words := shlex.split(line, comments=True))]


def blocks(page: Path) -> list[Block]:
    """All fenced blocks of a page."""
    return [
        Block(found["language"], found["text"], found["note"] or "")
        for found in BLOCK.finditer(page.read_text(encoding="utf-8"))
    ]


def write_files(page: Path, directory: Path, kind: str = "example") -> list[Path]:
    """Write the blocks that a comment `KIND: FILE` names."""
    written = []
    for block in blocks(page):
        if block.note.startswith(f"{kind}: "):
            file = directory / block.note.removeprefix(f"{kind}: ")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(block.text, encoding="utf-8")
            written.append(file)
    return written
