"""`./ws bench codec [--recipe NAME ...] [--hands HAND ...] [--json FILE]`: quality and speed of codec bundles.

Writes `{"recipes": {NAME: {"mean": {METRIC: value}, "hands": {HAND: {...}}, "pairs": {"s>t": {...}}}}, "oracle": {...},
"postures": {NAME: {HAND: {FAMILY: {...}}}}, "meaning": {NAME: {HAND: {...}}}, "speed": {NAME: {HAND: {...}}},
"admissibility": {NAME: {HAND: {...}}}}`; what the metrics mean stands in `table5`, `sharedness`, `postures`, `meaning`
and `admissibility`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

import embodiments
from contracts import command_line, results
from contracts.bundle import bundle_sha256
from contracts.files import write_atomic
from contracts.progress import track
from latent_codec.codec import Codec
from latent_codec.evaluation import admissibility, postures
from latent_codec.evaluation import meaning as meanings
from latent_codec.evaluation.measure import COUNT, measure_space, oracle_report, pairs_to_solve
from latent_codec.evaluation.oracle import Oracle
from latent_codec.evaluation.places import PlaceError, bundles
from latent_codec.evaluation.selfcheck import SelfCheckError, UntrainedSpace, self_check
from latent_codec.evaluation.space import CodecSpace
from latent_codec.evaluation.speed import decode_speed
from latent_codec.evaluation.tables import (
    across_table,
    column_table,
    hand_table,
    shared_table,
)
from latent_codec.evaluation.vectors import SEED
from latent_codec.training.data.inputs import changed_hands


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status."""
    lists, errors = ("--bundle", "--recipe", "--hands"), (PlaceError, SelfCheckError)
    return command_line.run(command, arguments, name="bench codec", lists=lists, errors=errors)


def command(
    bundle: Annotated[
        list[Path] | None, typer.Option(metavar="DIR...", help="bundles to measure; default: models/codec")
    ] = None,
    recipe: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME...", help="configurations, trained to out/codec/NAME, to measure beside them"),
    ] = None,
    hands: Annotated[
        list[str] | None, typer.Option(metavar="HAND...", help="measure these alone; default: all of a bundle")
    ] = None,
    poses: Annotated[int, typer.Option(min=10, help="random poses of each hand")] = COUNT,
    json_file: Annotated[Path | None, typer.Option("--json", help="write the same figures here")] = None,
    markdown: Annotated[Path | None, typer.Option(help="write the tables into this page")] = None,
    root: Annotated[Path, typer.Option(help="of the workspace")] = Path(),
    no_oracle: Annotated[
        bool, typer.Option("--no-oracle", help="leave out what is read against the best possible")
    ] = False,
    check_metrics: Annotated[
        bool, typer.Option("--self-check", help="fail if a metric cannot tell untrained networks")
    ] = False,
) -> int:
    """Measure latent spaces on one scale: quality, what decoders accept and refuse, speed."""
    console = results.wide_console()
    places = bundles(bundle, recipe or [], root)
    codecs = {name: Codec.load(path, hands) for name, path in places.items()}
    oracle = None if no_oracle else Oracle(root / "out" / "cache" / "oracle")
    report = run(codecs, poses, oracle, console, root / "out" / "cache" / "families")
    if check_metrics:
        check(codecs, report, poses, oracle)
    show(console, codecs, report)
    results.write(markdown, "codec", results.command_line("./ws bench codec"), console.tables)
    if json_file is not None:
        write_atomic(json_file, json.dumps(report, indent=2, allow_nan=False) + "\n")
    return 0


def run(
    codecs: Mapping[str, Codec],
    poses: int,
    oracle: Oracle | None,
    console: Console | None = None,
    cache: Path | None = None,
) -> dict:
    """Measure codecs by name; computes first what the oracle lacks. `cache`: folder of the families of postures."""
    spaces = {name: CodecSpace(codec) for name, codec in codecs.items()}
    if oracle is not None:
        todo = oracle.missing(pairs_to_solve(spaces.values(), poses))
        for source, target in track(todo, "oracle", console=console or Console(quiet=True)):
            oracle.best(source, target)
    return {
        "poses": poses,
        "seed": SEED,
        "bundles": {name: _origin(codec) for name, codec in codecs.items()},
        "recipes": {name: measure_space(space, poses, SEED, oracle) for name, space in spaces.items()},
        "oracle": {} if oracle is None else oracle_report(spaces.values(), poses, oracle),
        "postures": {name: postures.by_family(codec, poses, cache) for name, codec in codecs.items()},
        "meaning": {name: meanings.meaning(codec) for name, codec in codecs.items()},
        "speed": {name: {hand: decode_speed(codec, hand) for hand in codec.hands} for name, codec in codecs.items()},
        "admissibility": {name: admissibility.rates(codec, _another(codecs, name)) for name, codec in codecs.items()},
    }


def _another(codecs: Mapping[str, Codec], name: str) -> Codec | None:
    """Another of the spaces, of the same size, whose latents the decoders of `name` ought to refuse."""
    size = codecs[name].latent_dim
    return next((codec for other, codec in codecs.items() if other != name and codec.latent_dim == size), None)


def _origin(codec: Codec) -> dict:
    hands = [embodiments.load(hand) for hand in codec.hands]
    return {
        "latent_space": codec.latent_space,
        "codec_sha256": bundle_sha256(codec.directory),
        "training_steps": codec.manifest.training.steps,
        "training_seconds": codec.manifest.training.seconds,
        "changed_since_training": changed_hands(codec.manifest, hands),
    }


def check(codecs: Mapping[str, Codec], report: Mapping, poses: int, oracle: Oracle | None) -> None:
    """Measure the same networks untrained and compare. Raises SelfCheckError."""
    for name, codec in codecs.items():
        untrained = measure_space(UntrainedSpace(codec), poses, SEED, oracle)
        self_check(report["recipes"][name]["mean"], untrained["mean"])


def show(console: Console, codecs: Mapping[str, Codec], report: Mapping) -> None:
    """Print all tables."""
    recipes = report["recipes"]
    for table in (column_table(recipes), across_table(recipes), shared_table(recipes)):
        console.print(table)
    for name, codec in codecs.items():
        console.print(postures.table(name, report["postures"][name]))
        if report["meaning"][name]:
            console.print(meanings.table(name, report["meaning"][name]))
        console.print(hand_table(f"{name}: {codec.latent_space}", recipes[name]["hands"], report["speed"][name]))
        console.print(
            admissibility.table(report["admissibility"][name], f"{name}: what the decoders accept and refuse")
        )
        changed = report["bundles"][name]["changed_since_training"]
        if changed:
            console.print(f"{name}: changed since training: {', '.join(changed)}; ./ws train codec")


if __name__ == "__main__":
    sys.exit(main())
