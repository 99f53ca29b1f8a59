"""`./ws bench fuzz [--frames N] [--messages N] [--seed N] [--only TARGET ...] [--json FILE]`: what strangers may send.

Damaged frames into every parser of a wire, random messages into the callbacks of driver, codec and policy. Writes
`{"seed": N, "targets": [{...}], "callbacks": [{...}]}`; the exit status is 1 when a promise was broken.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.table import Table

from contracts import results
from contracts.files import write_atomic
from system_tests.fuzz import dds_parsers, own_parsers, plug_ins, plug_wires
from system_tests.fuzz.codec_node import fuzz_codec
from system_tests.fuzz.driver_core import fuzz_core
from system_tests.fuzz.driver_node import fuzz_node
from system_tests.fuzz.outcome import Outcome
from system_tests.fuzz.parsing import fuzz
from system_tests.fuzz.policy_node import fuzz_policy

FRAMES, MESSAGES = 1_000_000, 100_000
WIDTH = 190  # where there is no terminal
REASONS = 3  # of refusal, in the table
Job = Callable[[int, int], Outcome]


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status."""
    options = _parser().parse_args(arguments)
    warnings.simplefilter("ignore", RuntimeWarning)  # numpy's, about numbers that overflow: they are meant to
    console = Console() if sys.stdout.isatty() else Console(width=WIDTH)
    chosen = [name for name in (*frame_jobs(), *message_jobs()) if any(word in name for word in options.only)]
    if not chosen:
        print(f"error: --only: found {options.only!r}, expected parts of targets' names", file=sys.stderr)
        return 2
    targets = list(run(frame_jobs(), chosen, options.frames, options.seed, console))
    callbacks = list(run(message_jobs(), chosen, options.messages, options.seed, console))
    found = table(f"seed {options.seed}", [*targets, *callbacks])
    console.print(found)
    results.write(options.markdown, "fuzz", results.command_line("./ws bench fuzz", arguments), [found])
    if options.json is not None:
        outcomes = {"targets": targets, "callbacks": callbacks}
        report = {"seed": options.seed} | {key: [one.report() for one in of] for key, of in outcomes.items()}
        write_atomic(options.json, json.dumps(report, indent=2, allow_nan=False) + "\n")
    return 0 if all(outcome.ok for outcome in (*targets, *callbacks)) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bench fuzz", description="Random and damaged input to all that listens.")
    parser.add_argument("--frames", type=_count, default=FRAMES, help="for each parser of frames")
    parser.add_argument("--messages", type=_count, default=MESSAGES, help="for each node")
    parser.add_argument("--seed", type=int, default=0, help="the same seed gives the same frames")
    parser.add_argument("--only", nargs="+", default=[""], metavar="TARGET", help="those whose name has this in it")
    parser.add_argument("--json", type=Path, help="write the same figures here")
    parser.add_argument("--markdown", type=Path, help="write the table into this page")
    return parser


def _count(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected a number from 1 on")
    return int(text)


def frame_jobs() -> dict[str, Job]:
    """Everything that turns bytes into values, by name."""
    jobs: dict[str, Job] = {
        target.name: partial(fuzz, target) for target in (*own_parsers.targets(), *dds_parsers.targets())
    }
    return jobs | {plug.name: partial(plug_ins.fuzz_plug, plug) for plug in plug_wires.plugs()}


def message_jobs() -> dict[str, Job]:
    """Everything that is called back with a message, by name."""
    return {
        "driver core": fuzz_core,
        "driver node": fuzz_node,
        "codec node": fuzz_codec,
        "policy node": fuzz_policy,
    }


def run(jobs: dict[str, Job], chosen: Sequence[str], count: int, seed: int, console: Console) -> Iterator[Outcome]:
    """One job after the other, each told when it is done."""
    for name, job in jobs.items():
        if name in chosen:
            with console.status(name), contextlib.redirect_stderr(io.StringIO()):  # nodes say what they refuse
                outcome = job(count, seed)
            for failure in outcome.failures:
                console.print(f"{name}: {failure}", style="red", markup=False, highlight=False)
            console.print(f"{name}: {outcome.frames:,} in {outcome.seconds:.0f} s", style="dim", highlight=False)
            yield outcome


def table(title: str, outcomes: Iterable[Outcome]) -> Table:
    """A row a target."""
    found = Table("target", title=title)
    for name in ("inputs", "accepted", "slowest ms", "s"):
        found.add_column(name, justify="right")
    for name in ("refused", "", "note"):
        found.add_column(name)
    for one in outcomes:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in one.refused.most_common(REASONS))
        more = len(one.refused) - REASONS
        figures = (f"{one.frames:,}", f"{one.accepted:,}", f"{one.slowest_ms:.1f}", f"{one.seconds:.0f}")
        verdict = "not run" if one.skipped else ("[green]ok" if one.ok else f"[red]{one.failed} failed")
        found.add_row(one.name, *figures, reasons + (f", {more} more" if more > 0 else ""), verdict, one.note)
    return found
