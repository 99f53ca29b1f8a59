"""`./ws bench fuzz [--frames N] [--messages N] [--seed N] [--only TARGET ...] [--json FILE]`: random and damaged input.

Damaged frames for every parser, random messages for the callbacks of driver, codec and policy. The JSON file contains
`{"seed": N, "targets": [{...}], "callbacks": [{...}]}`; the exit status is 1 if a target failed.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from contracts import command_line, results
from contracts.files import write_atomic
from system_tests.fuzz import dds_parsers, own_parsers, plug_ins, plug_wires
from system_tests.fuzz.codec_node import fuzz_codec
from system_tests.fuzz.driver_core import fuzz_core
from system_tests.fuzz.driver_node import fuzz_node
from system_tests.fuzz.outcome import Outcome
from system_tests.fuzz.parsing import fuzz
from system_tests.fuzz.policy_node import fuzz_policy
from system_tests.load import live

FRAMES, MESSAGES = 1_000_000, 100_000
WIDTH = 190  # of the output without a terminal
REASONS = 3  # of refusal, in the table
Job = Callable[[int, int], Outcome]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    return command_line.run(command, arguments, name="bench fuzz", lists=["--only"])


def command(
    frames: Annotated[int, typer.Option(min=1, help="frames for each parser")] = FRAMES,
    messages: Annotated[int, typer.Option(min=1, help="messages for each node")] = MESSAGES,
    seed: Annotated[int, typer.Option(help="seed of the random numbers")] = 0,
    only: Annotated[
        list[str] | None, typer.Option(metavar="TARGET", help="only targets whose name contains it; may be several")
    ] = None,
    json_file: live.JsonFile = None,
    markdown: live.MarkdownFile = None,
) -> int:
    """Send random and damaged input to all parsers and callbacks."""
    warnings.simplefilter("ignore", RuntimeWarning)  # numpy's, of intended overflows
    console = Console(markup=False, width=None if sys.stdout.isatty() else WIDTH)
    chosen = [name for name in (*frame_jobs(), *message_jobs()) if any(word in name for word in only or [""])]
    if not chosen:
        print(f"error: --only: found {only!r}, expected parts of targets' names", file=sys.stderr)
        return 2
    targets = list(run(frame_jobs(), chosen, frames, seed, console))
    callbacks = list(run(message_jobs(), chosen, messages, seed, console))
    found = table(f"seed {seed}", [*targets, *callbacks])
    console.print(found)
    results.write(markdown, "fuzz", results.command_line("./ws bench fuzz"), [found])
    if json_file is not None:
        outcomes = {"targets": targets, "callbacks": callbacks}
        report = {"seed": seed} | {key: [one.report() for one in of] for key, of in outcomes.items()}
        write_atomic(json_file, json.dumps(report, indent=2, allow_nan=False) + "\n")
    return 0 if all(outcome.ok for outcome in (*targets, *callbacks)) else 1


def frame_jobs() -> dict[str, Job]:
    """Parsers of bytes, by name."""
    jobs: dict[str, Job] = {
        target.name: partial(fuzz, target) for target in (*own_parsers.targets(), *dds_parsers.targets())
    }
    return jobs | {plug.name: partial(plug_ins.fuzz_plug, plug) for plug in plug_wires.plugs()}


def message_jobs() -> dict[str, Job]:
    """Targets of messages, by name."""
    return {
        "driver core": fuzz_core,
        "driver node": fuzz_node,
        "codec node": fuzz_codec,
        "policy node": fuzz_policy,
    }


def run(jobs: dict[str, Job], chosen: Sequence[str], count: int, seed: int, console: Console) -> Iterator[Outcome]:
    """Run the jobs in order, and print the result of each."""
    for name, job in jobs.items():
        if name in chosen:
            with console.status(name), contextlib.redirect_stderr(io.StringIO()):  # errors that nodes log
                began = time.monotonic()
                outcome = job(count, seed)
                outcome.seconds = time.monotonic() - began
            for failure in outcome.failures:
                console.print(f"{name}: {failure}", style="red", markup=False, highlight=False)
            console.print(f"{name}: {outcome.frames:,} in {outcome.seconds:.0f} s", style="dim", highlight=False)
            yield outcome


def table(title: str, outcomes: Iterable[Outcome]) -> Table:
    """The results as a table with a row per target."""
    found = Table("target", title=title)
    for name in ("inputs", "accepted", "slowest ms", "s"):
        found.add_column(name, justify="right")
    for name in ("refused", "", "note"):
        found.add_column(name)
    for one in outcomes:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in one.refused.most_common(REASONS))
        more = len(one.refused) - REASONS
        figures = (f"{one.frames:,}", f"{one.accepted:,}", f"{one.slowest_ms:.1f}", f"{one.seconds:.0f}")
        verdict = Text("ok", "green") if one.ok else Text(f"{one.failed} failed", "red")
        verdict = Text("not run") if one.skipped else verdict
        found.add_row(one.name, *figures, reasons + (f", {more} more" if more > 0 else ""), verdict, one.note)
    return found
