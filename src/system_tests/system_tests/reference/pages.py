"""Finds the markers in the pages and writes what belongs between them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Annotated

import typer

from bringup import paths
from contracts import command_line, plugins
from system_tests.reference import graph, schemas, workspace
from system_tests.reference.schemas import GROUPS, NODES

MARKED = re.compile(r"(<!-- generated: (\w+(?: \w+)?) -->\n).*?(<!-- end -->)", re.DOTALL)


class MarkerError(ValueError):
    """A marker names nothing that can be generated; the text lists what can."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    return command_line.run(command, arguments, name="reference")


def command(
    check: Annotated[
        bool, typer.Option("--check", help="write nothing, and fail where a page is not up to date")
    ] = False,
) -> int:
    """Write the generated parts of docs/.

    Exit status: 1 where a page is not up to date (with --check) or lacks the table of an installed plug-in.
    """
    pages = sorted((paths.workspace() / "docs").rglob("*.md"))
    old = {page: page.read_text(encoding="utf-8") for page in pages}
    stale = {page: text for page in pages if (text := rewritten(old[page])) != old[page]}
    for page, text in stale.items():
        print(f"{page.relative_to(paths.workspace())}: {'is not up to date' if check else 'written'}")
        if not check:
            page.write_text(text, encoding="utf-8")
    missing = unmarked(old.values())
    for name in missing:
        print(f"docs: no page has the marker <!-- generated: {name} -->")
    return int(bool(missing or (check and stale)))


def rewritten(text: str) -> str:
    """The page with its generated parts made anew. Raises MarkerError."""
    return MARKED.sub(lambda found: f"{found[1]}\n{generate(found[2])}\n{found[3]}", text)


def generate(marker: str) -> str:
    """Markdown for `KIND [NAME]`. Raises MarkerError."""
    known = generators()
    if marker not in known:
        raise MarkerError(f"marker: found {marker}, expected one of {', '.join(known)}")
    return known[marker]()


def generators() -> dict[str, Callable[[], str]]:
    """Everything that can be generated, by its marker."""
    made: dict[str, Callable[[], str]] = {
        f"node {name}": partial(schemas.table, "parameter", model) for name, model in NODES.items()
    }
    for kind, group in GROUPS.items():
        made |= {f"{kind} {name}": partial(schemas.plugin_table, group, name) for name in plugins.names(group)}
    made |= {f"schema {name}": partial(schemas.nested, model) for name, model in schemas.FILES.items()}
    return made | {
        "arguments": workspace.arguments,
        "commands": workspace.commands,
        "packages": workspace.packages,
        "plugins": workspace.plugin_groups,
        "topics": graph.topics,
    }


def unmarked(texts: Iterable[str]) -> list[str]:
    """Nodes and installed plug-ins, as `device xarm7`, that none of the pages has a table of."""
    marked = {marker for text in texts for _, marker, _ in MARKED.findall(text)}
    return sorted(name for name in generators() if name.split()[0] in {"node", *GROUPS} and name not in marked)
