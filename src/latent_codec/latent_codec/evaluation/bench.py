"""`./ws bench codec [--recipe NAME ...] [--hands HAND ...] [--json FILE]`: quality and speed of codec bundles.

Writes `{"recipes": {NAME: {"mean": {METRIC: value}, "hands": {HAND: {...}}, "pairs": {"s>t": {...}}}}, "oracle": {...},
"speed": {NAME: {HAND: {...}}}, "admissibility": {NAME: {HAND: {...}}}}`; what the metrics mean stands in
`measure.table5`, `measure.sharedness` and `admissibility`.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import track

import embodiments
from contracts import results
from contracts.bundle import BundleError, bundle_sha256
from latent_codec.codec import Codec
from latent_codec.evaluation import admissibility
from latent_codec.evaluation.measure import COUNT, measure_space, oracle_report, pairs_to_solve
from latent_codec.evaluation.oracle import Oracle, OracleError
from latent_codec.evaluation.places import PlaceError, bundles
from latent_codec.evaluation.posesets import SEED
from latent_codec.evaluation.selfcheck import SelfCheckError, self_check
from latent_codec.evaluation.space import CodecSpace
from latent_codec.evaluation.speed import decode_speed
from latent_codec.evaluation.tables import (
    across_table,
    column_table,
    hand_table,
    metrics_table,
    shared_table,
    wide_console,
)
from latent_codec.training.data.inputs import changed_hands

__all__ = ["main", "metrics_table", "run"]
FEWEST = 10


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status."""
    options = _parser().parse_args(arguments)
    if options.poses < FEWEST:
        print(f"error: --poses: found {options.poses}, expected at least {FEWEST}", file=sys.stderr)
        return 2
    console = wide_console()
    try:
        places = bundles(options.bundle, options.recipe, options.root)
        codecs = {name: Codec.load(path, options.hands) for name, path in places.items()}
        oracle = None if options.no_oracle else Oracle(options.root / "out" / "cache" / "oracle")
        report = run(codecs, options.poses, oracle, console)
        if options.self_check:
            check(codecs, report, options.poses, oracle)
    except (BundleError, OracleError, PlaceError, SelfCheckError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    show(console, codecs, report)
    results.write(options.markdown, "codec", results.command_line("./ws bench codec", arguments), console.tables)
    if options.json is not None:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(report, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bench codec", description="Measure latent spaces on one scale.")
    parser.add_argument("--bundle", type=Path, nargs="+", help="bundles to measure (default: models/codec)")
    parser.add_argument(
        "--recipe", nargs="+", default=[], metavar="NAME", help="configurations, trained to out/codec/NAME, beside them"
    )
    parser.add_argument("--hands", nargs="+", metavar="HAND", help="measure these alone (default: all of a bundle)")
    parser.add_argument("--poses", type=int, default=COUNT, help="random poses a hand")
    parser.add_argument("--json", type=Path, help="write the same figures here")
    parser.add_argument("--markdown", type=Path, help="write the tables into this page")
    parser.add_argument("--root", type=Path, default=Path(), help="of the workspace")
    parser.add_argument("--no-oracle", action="store_true", help="leave out what is read against the best possible")
    parser.add_argument("--self-check", action="store_true", help="fail if a metric cannot tell untrained networks")
    return parser


def run(codecs: Mapping[str, Codec], poses: int, oracle: Oracle | None, console: Console | None = None) -> dict:
    """Measure codecs by name; computes first what the oracle lacks. Raises OracleError."""
    spaces = {name: CodecSpace(codec) for name, codec in codecs.items()}
    if oracle is not None:
        todo = oracle.missing(pairs_to_solve(spaces.values(), poses))
        for source, target in track(todo, "oracle", console=console, disable=not todo or console is None):
            oracle.best(source, target)
    return {
        "poses": poses,
        "seed": SEED,
        "bundles": {name: _origin(codec) for name, codec in codecs.items()},
        "recipes": {name: measure_space(space, poses, SEED, oracle) for name, space in spaces.items()},
        "oracle": {} if oracle is None else oracle_report(spaces.values(), poses, oracle),
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
    """Measure the same networks untrained and compare. Raises SelfCheckError; OracleError without torch and onnx."""
    try:
        from latent_codec.evaluation.onnx_untrained import UntrainedSpace
    except ModuleNotFoundError as error:
        raise OracleError(f"{error.name}: found none, expected it for --self-check; ./ws setup train") from None
    for name, codec in codecs.items():
        untrained = measure_space(UntrainedSpace(codec), poses, SEED, oracle)
        self_check(report["recipes"][name]["mean"], untrained["mean"])


def show(console: Console, codecs: Mapping[str, Codec], report: Mapping) -> None:
    """Print all tables."""
    recipes = report["recipes"]
    for table in (column_table(recipes), across_table(recipes), shared_table(recipes)):
        console.print(table)
    for name, codec in codecs.items():
        console.print(hand_table(f"{name}: {codec.latent_space}", recipes[name]["hands"], report["speed"][name]))
        console.print(
            admissibility.table(report["admissibility"][name], f"{name}: what the decoders accept and refuse")
        )
        changed = report["bundles"][name]["changed_since_training"]
        if changed:
            console.print(f"{name}: changed since training: {', '.join(changed)}; ./ws train codec")


if __name__ == "__main__":
    sys.exit(main())
