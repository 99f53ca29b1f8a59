"""What each decoder accepts and refuses.

    python -m latent_codec.evaluation.admissibility --bundle A [--other B] [--json FILE]

Valid latents are those of all hands of the bundle (see `latent_samples.valid`), not those that the density was fitted
or the threshold chosen with. Wrong ones are valid ones with one coordinate moved by 6 standard deviations, noise of 4
standard deviations, and the latents of another space: as they are, and with this space's mean and deviations.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.table import Table

import embodiments
from contracts import command_line
from contracts.bundle import BundleError
from contracts.files import write_atomic
from contracts.manifest import MANIFEST_NAME
from contracts.results import wide_console
from latent_codec.codec import Codec
from latent_codec.training.data import latent_samples as samples

Rates = dict[str, dict[str, float]]

SEED = 424_242
COUNT = 4_000
WANTED = 0.99


def rates(
    codec: Codec, other: Codec | None = None, count: int = COUNT, seed: int = SEED
) -> dict[str, dict[str, float]]:
    """Decoder -> share of `count` latents a hand: accepted valid ones, refused wrong ones, from 0 to 1.

    `accepted_worst` is that of the hand and family of postures whose valid latents are accepted least; `refused_other`
    and `refused_other_standardised` are there when there is another space. Raises BundleError where that has another
    size.
    """
    if other is not None and other.latent_dim != codec.latent_dim:
        raise BundleError(other.directory / MANIFEST_NAME, "codec.latent_dim", other.latent_dim, codec.latent_dim)
    valid = samples.valid(codec.encode, [embodiments.load(name) for name in codec.hands], count, seed)
    wrong = _wrong(samples.pooled(valid), other, count, seed)
    return {hand: _of(codec, hand, valid, wrong) for hand in codec.hands}


def between(
    codec: Codec, hand: str, count: int = COUNT, seed: int = SEED, cache: Path | None = None
) -> tuple[float, float]:
    """How well `hand` and the others of a space understand each other, worst cases.

    Returns:
        The share of the hand's valid latents that the other decoder accepts which accepts least; the share that the
        hand's decoder accepts of the valid latents of the other hand of which it accepts least.
    """
    others = [name for name in codec.hands if name != hand]
    own = samples.pooled(samples.valid(codec.encode, [embodiments.load(hand)], count, seed, cache))
    theirs = samples.valid(codec.encode, [embodiments.load(name) for name in others], count, seed, cache)
    by_hand = [np.concatenate([z for (name, _), z in theirs.items() if name == other]) for other in others]
    admitted = [(codec.scores(other, own) >= codec.threshold(other)).mean() for other in others]
    return float(min(admitted)), float(min((codec.scores(hand, z) >= codec.threshold(hand)).mean() for z in by_hand))


def _wrong(valid: np.ndarray, other: Codec | None, count: int, seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    wrong = {"shifted": samples.shifted(valid, rng), "noise": samples.noise(valid, rng)}
    if other is not None:
        robots = [embodiments.load(name) for name in other.hands]
        latents = samples.pooled(samples.encoded(other.encode, robots, count, seed))
        wrong |= {"other": latents, "other_standardised": samples.standardised(latents, valid)}
    return wrong


def _of(codec: Codec, hand: str, valid: samples.Latents, wrong: dict[str, np.ndarray]) -> dict[str, float]:
    threshold = codec.threshold(hand)
    accepted = [float((codec.scores(hand, z) >= threshold).mean()) for z in valid.values()]
    refused = {f"refused_{kind}": float((codec.scores(hand, z) < threshold).mean()) for kind, z in wrong.items()}
    shares = {"accepted": float(np.mean(accepted)), "accepted_worst": min(accepted)}
    return shares | refused


def table(found: Rates, title: str | None = None) -> Table:
    """One row a decoder, in percent."""
    columns = list(next(iter(found.values())))
    result = Table("decoder", title=title, title_justify="left")
    for column in columns:
        result.add_column(f"{column.replace('_', ' ')} %", justify="right")
    for hand, row in found.items():
        result.add_row(hand, *(f"{100 * row[column]:.2f}" for column in columns))
    return result


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status: 2 where a share is below 99 %, 1 for a bundle that cannot be read."""
    return command_line.run(command, arguments, name="admissibility")


def command(
    bundle: Annotated[Path, typer.Option(help="whose decoders are tested")] = Path("models/codec"),
    other: Annotated[Path | None, typer.Option(help="the bundle of another latent space of the same size")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="write the same figures here")] = None,
) -> int:
    """What each decoder accepts and refuses."""
    found = rates(Codec.load(bundle), None if other is None else Codec.load(other))
    wide_console().print(table(found))
    if json_file is not None:
        write_atomic(json_file, json.dumps(found, indent=2) + "\n")
    return 0 if min(min(row.values()) for row in found.values()) >= WANTED else 2


if __name__ == "__main__":
    sys.exit(main())
