"""Inspects bags: `python -m episodes.inspect BAG...` prints a verdict, and rates, gaps, ages and losses by topic.

With `--repair` it first recovers bags that were not closed or are damaged.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from contracts import command_line
from contracts.files import write_atomic
from episodes.bag import EpisodeReader, naming
from episodes.convert import find_bags, unfinished_bags
from episodes.metadata import EpisodeError, EpisodeMetadata
from episodes.repair import is_sound, repair
from episodes.statistics import TopicFigures, as_json, figures
from episodes.storage import CDR

COLUMNS = ("topic", "messages", "rate Hz", "max gap ms", "at s", "holes", "age p50 ms", "p99", "max", "lost", "dropped")


def inspect(path: Path) -> dict[str, Any]:
    """Metadata, duration, verdict and figures of a bag, as values for JSON.

    Raises:
        EpisodeError: If the bag cannot be read.
    """
    with naming(path), EpisodeReader(path) as reader:
        metadata, (first, last), found = reader.metadata, reader.span_ns, figures(reader)
    return {
        "bag": str(path),
        "duration_s": (last - first) * 1e-9,
        "metadata": metadata.model_dump(mode="json") if metadata else None,
        "verdict": verdict(metadata, found),
        "topics": as_json(found),
    }


def verdict(metadata: EpisodeMetadata | None, found: list[TopicFigures]) -> list[str]:
    """What is wrong with a bag, in one line each; empty for a good one."""
    problems = [] if any(topic.count for topic in found) else ["no messages"]
    if metadata is None:
        problems.append("no episode metadata: what it is of has to be described (convert --describe FILE)")
    for topic in found:
        if topic.clock:
            problems.append(f"{topic.topic}: {topic.clock}; not converted")
        if topic.serialization != CDR:
            problems.append(f"{topic.topic}: messages serialized as {topic.serialization} are not supported")
        if topic.lost or topic.dropped:
            problems.append(f"{topic.topic}: {topic.lost} messages lost, {topic.dropped} dropped")
    return problems


def show(report: dict[str, Any], console: Console) -> None:
    """Print a report of `inspect` as a table."""
    about = escape(_about(report["metadata"]))
    console.print(f"[bold]{escape(report['bag'])}[/]  {report['duration_s']:.1f} s  {about}")
    table = Table()
    for name in COLUMNS:
        table.add_column(name, justify="left" if name == "topic" else "right")
    for topic in report["topics"]:
        table.add_row(*_row(TopicFigures(**topic)))
    console.print(table)
    console.print(escape("\n".join(f"problem: {each}" for each in report["verdict"]) or "verdict: good"))


def _about(content: dict[str, Any] | None) -> str:
    if content is None:
        return "no episode metadata"
    metadata = EpisodeMetadata.model_validate(content)
    verdict = {True: "success", False: "failure", None: "not judged"}[metadata.succeeded]
    below = f", topics below /{metadata.namespace}" if metadata.namespace else ""
    return f"{metadata.task}, {metadata.hands}, {metadata.source}, {verdict}{below}"


def _row(found: TopicFigures) -> tuple[str, ...]:
    return (
        escape(found.topic),
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
    repaired: Annotated[
        bool, typer.Option("--repair", help="first recover bags that were not closed or are damaged")
    ] = False,
) -> None:
    """Print metadata, a verdict and figures of recorded bags."""
    try:
        bags = _repaired(bags) if repaired else bags
        for bag in unfinished_bags(bags):
            if bag not in bags:
                print(f"left out: {bag}: not closed; --repair recovers what is there", file=sys.stderr)
        reports = [inspect(bag) for bag in find_bags(bags)]
        text = json.dumps(reports, indent=2)
        if json_file == "-":
            print(text)
            return
        if json_file:
            write_atomic(json_file, text + "\n")
    except (EpisodeError, OSError) as error:
        print(f"error: {command_line.described(error)}", file=sys.stderr)
        raise typer.Exit(1) from None
    # wide enough for every column if the output is a pipe
    console = Console() if sys.stdout.isatty() else Console(width=140)
    for report in reports:
        show(report, console)


def _repaired(paths: list[Path]) -> list[Path]:
    """The same paths, their bags recovered where they were not closed or are damaged."""
    unfinished = unfinished_bags(paths)
    whole = [path for path in paths if path not in unfinished]
    for bag in [*unfinished, *(find_bags(whole) if whole else [])]:
        if bag in unfinished or not is_sound(bag):
            done = repair(bag)
            paths = [done.path if path == bag else path for path in paths]
            print(done, file=sys.stderr)
    return paths


def main() -> int:
    """Run the command line; returns the exit status."""
    return command_line.run(command, name="inspect")


if __name__ == "__main__":
    raise SystemExit(main())
