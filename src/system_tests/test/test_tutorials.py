"""The commands of the tutorials run as they stand there, or state why they do not.

The comment before a bash block decides: `run`, `run with: ARGUMENTS` (added to the command, to shorten it), or
`not run: REASON`. Files are those of blocks with a comment `file: NAME`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from doc_pages import Block, blocks, write_files

from bringup import paths

pytestmark = pytest.mark.system

ROOT = paths.workspace()
PAGES = sorted((ROOT / "docs" / "tutorials").glob("*.md"))
TIMEOUT_S = 300.0  # for what hangs
DEMO = ("./ws demo",)  # what takes the port of a simulated world


@pytest.fixture
def workplace(tmp_path: Path) -> Iterator[Path]:
    """A working directory with the workspace's `ws` and `out`; what the commands add to `out` is removed again."""
    out = ROOT / "out"
    out.mkdir(exist_ok=True)
    before = set(out.glob("run-*"))
    for name in ("ws", "out", "models"):
        (tmp_path / name).symlink_to(ROOT / name)
    yield tmp_path
    for folder in (*(set(out.glob("run-*")) - before), out / "codec" / "small", out / "train" / "codec" / "small"):
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize("page", PAGES, ids=[page.stem for page in PAGES])
def test_the_commands_of_a_tutorial_run(page: Path, workplace: Path, free_port: int):
    write_files(page, workplace, "file")
    for block in blocks(page):
        if block.language == "bash" and block.note.startswith("run"):
            done = subprocess.run(
                ["bash", "-euc", shortened(block, free_port)],
                cwd=workplace,
                env={**os.environ, "CROSSHAND_EMBODIMENTS": ""},
                capture_output=True,
                text=True,
                timeout=TIMEOUT_S,
                check=False,
            )
            assert done.returncode == 0, f"{block.text}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"


def shortened(block: Block, port: int) -> str:
    """The block with the arguments of its comment; a simulated world gets a port of its own."""
    more = block.note.partition("run with: ")[2]
    port_argument = f" port:={port}" if block.text.startswith(DEMO) else ""
    return f"{block.text.rstrip()} {more}{port_argument}"


@pytest.mark.parametrize("page", PAGES, ids=[page.stem for page in PAGES])
def test_every_command_of_a_tutorial_is_run_or_states_why_not(page: Path):
    for block in blocks(page):
        if block.language == "bash":
            assert block.note == "run" or block.note.startswith(("run with: ", "not run: ")), block.text
            assert block.note.startswith("not run") or len(block.commands) == 1, f"one command a block: {block.text}"
