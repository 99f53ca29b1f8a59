"""Inspects bags: `python -m episodes.inspect BAG...` prints rates, gaps, ages and losses by topic."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from contracts import command_line
from contracts.files import write_atomic
from episodes.bag import EpisodeReader, naming
from episodes.convert import find_bags
from episodes.metadata import EpisodeError, EpisodeMetadata
from episodes.statistics import TopicFigures, as_json, figures

COLUMNS = ("topic", "messages", "rate Hz", "max gap ms", "at s", "holes", "age p50 ms", "p99", "max", "lost", "dropped")


def inspect(path: Path) -> dict[str, Any]:
    """Metadata, duration and figures of a bag, as values for JSON.

    Raises:
        EpisodeError: If the bag cannot be read.
    """
    with naming(path), EpisodeReader(path) as reader:
        metadata, (first, last), found = reader.metadata, reader.span_ns, figures(reader)
    return {
        "bag": str(path),
        "duration_s": (last - first) * 1e-9,
        "metadata": metadata.model_dump(mode="json") if metadata else None,
        "topics": as_json(found),
    }


def show(report: dict[str, Any], console: Console) -> None:
    """Print a report of `inspect` as a table."""
    console.print(f"[bold]{report['bag']}[/]  {report['duration_s']:.1f} s  {_about(report['metadata'])}")
    table = Table()
    for name in COLUMNS:
        table.add_column(name, justify="left" if name == "topic" else "right")
    for topic in report["topics"]:
        table.add_row(*_row(TopicFigures(**topic)))
    console.print(table)


def _about(content: dict[str, Any] | None) -> str:
    if content is None:
        return "no episode metadata"
    metadata = EpisodeMetadata.model_validate(content)
    verdict = {True: "success", False: "failure", None: "not judged"}[metadata.succeeded]
    return f"{metadata.task}, {metadata.hands}, {metadata.source}, {verdict}"


def _row(found: TopicFigures) -> tuple[str, ...]:
    return (
        found.topic,
        str(found.count),
        _number(found.rate_hz),
        _number(found.max_gap_s, 1e3),
        _number(found.gap_at_s),
        _count(found.holes),
        _number(found.age_p50_s, 1e3),
        _number(found.age_p99_s, 1e3),
        _number(found.age_max_s, 1e3),
        _count(found.lost),
        _count(found.dropped),
    )


def _number(value: float | None, scale: float = 1.0) -> str:
    return "-" if value is None else f"{value * scale:.1f}"


def _count(value: int | None) -> str:
    return "-" if value is None else f"[red]{value}[/]" if value else "0"


def command(
    bags: Annotated[list[Path], typer.Argument(help="bags, or folders of bags", metavar="BAG...")],
    json_file: Annotated[str, typer.Option("--json", help="write the figures to this file, - for the output")] = "",
) -> None:
    """Print metadata and figures of recorded bags."""
    try:
        reports = [inspect(bag) for bag in find_bags(bags)]
        text = json.dumps(reports, indent=2)
        if json_file == "-":
            print(text)
            return
        if json_file:
            write_atomic(json_file, text + "\n")
    except (EpisodeError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(1) from None
    # wide enough for every column if the output is a pipe
    console = Console() if sys.stdout.isatty() else Console(width=140)
    for report in reports:
        show(report, console)


def main() -> int:
    """Run the command line; returns the exit status."""
    return command_line.run(command, name="inspect")


if __name__ == "__main__":
    raise SystemExit(main())
