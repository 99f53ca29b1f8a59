"""`python -m latent_codec.training.leave_one_out --hand NAME [--config FILE] [--json FILE]`: added against trained.

Trains the configuration, and the same without one of its hands, adds that hand as `./ws add-hand` does, and prints what
it and its pairs with the others reach added, trained with them, and the ratio of the two. What is trained already is
kept, so that an interrupted run continues.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from contracts import command_line
from contracts.bundle import load_manifest
from contracts.files import write_atomic
from contracts.manifest import MANIFEST_NAME
from contracts.results import wide_console
from latent_codec.codec import Codec
from latent_codec.evaluation.bench import run
from latent_codec.evaluation.measure import COUNT, mean_of
from latent_codec.evaluation.oracle import Oracle
from latent_codec.training.add_hand import add_hand
from latent_codec.training.add_hand.bundle import added_hands
from latent_codec.training.add_hand.place import Arguments
from latent_codec.training.config import ConfigError, TrainingConfig, load_config
from latent_codec.training.main import CONTINUES, train
from latent_codec.training.onnx_export import ExportError
from latent_codec.training.trainer import TrainingError

CONFIG = Path(__file__).parent / "configs" / "crosshand_four.yaml"
OWN = ("joint_rmse_rad", "tip_rmse_mm", "relative_continuity_tip_mm", "tip_acceleration_mm", "tip_jerk_mm")
ACROSS = (
    *(f"{kind}_{what}" for kind in ("random", "pinch", "reach", "path") for what in ("direction_deg", "distance_mm")),
    "reencoding_std",
    "reencoding_reachable_std",
)
ERRORS = (ExportError, TrainingError)


@dataclass(frozen=True)
class Compared:
    """A figure of the hand when trained with the others and when added to them; lower is better."""

    trained: float
    added: float

    @property
    def ratio(self) -> float:
        """Above 1, adding is worse."""
        return self.added / self.trained


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status."""
    return command_line.run(command, arguments, name="leave_one_out", errors=ERRORS, hint=CONTINUES)


def command(
    hand: Annotated[str, typer.Option(help="which is left out and added")],
    config: Annotated[Path, typer.Option(help="a configuration of the recipe crosshand (YAML)")] = CONFIG,
    poses: Annotated[int, typer.Option(min=10, help="random poses of each hand")] = COUNT,
    root: Annotated[Path, typer.Option(help="of the workspace")] = Path(),
    json_file: Annotated[Path | None, typer.Option("--json", help="write the same figures here")] = None,
) -> int:
    """Compare a hand that was added with the same hand trained with the others."""
    console = wide_console()
    together, added = prepare(config, hand, root, console)
    report = run({"trained": together, "added": added}, poses, Oracle(root / "out/cache/oracle"))
    rows = compare(report["recipes"], hand)
    row = added_hands(added.manifest)[hand]
    assert isinstance(row, dict)
    console.print(_table(hand, rows), f"added in {row['seconds']:.0f} s of training", soft_wrap=True)
    if json_file is not None:
        content = {name: {**vars(row), "ratio": row.ratio} for name, row in rows.items()}
        write_atomic(json_file, json.dumps(content, indent=2, allow_nan=False) + "\n")
    return 0


def prepare(path: Path, hand: str, root: Path, console: Console) -> tuple[Codec, Codec]:
    """The space with all hands trained together, and the one to which `hand` was added.

    Raises:
        FileError: A configuration or a checkpoint cannot be used.
        One of ERRORS: In one line.
    """
    config = load_config(path)
    if hand not in config.hands:
        raise ConfigError(path, "hands", ", ".join(config.hands), f"{hand} among them")
    fewer = tuple(name for name in config.hands if name != hand)
    without = config.model_copy(update={"name": f"{config.name}_without_{hand}", "hands": fewer})
    joint, base = (_trained(one, path, root) for one in (config, without))
    grown = root / "out" / "codec" / f"{config.name}_with_{hand}"
    if not _has_grown(grown, base, hand):
        shutil.rmtree(grown, ignore_errors=True)
        shutil.copytree(base, grown)
        work = root / "out" / "train" / "added" / grown.name
        add_hand.add(Arguments(hand, codec=grown, robots=root / "robots", work=work), console)
    return Codec.load(joint), Codec.load(grown)


def _trained(config: TrainingConfig, path: Path, root: Path) -> Path:
    """The bundle of a configuration, trained if it is not there yet."""
    out = root / "out" / "codec" / config.name
    if not (out / MANIFEST_NAME).is_file() or load_manifest(out, "codec").training.config != _plain(config):
        train(config, path, out, root / "out" / "train" / "codec" / config.name)
    return out


def _plain(config: TrainingConfig) -> Mapping[str, object]:
    return json.loads(json.dumps(config.model_dump(mode="json")))


def _has_grown(grown: Path, base: Path, hand: str) -> bool:
    """Whether `grown` is the space of `base` with `hand` added; an interrupted run leaves a copy without it."""
    if not (grown / MANIFEST_NAME).is_file():
        return False
    found = load_manifest(grown, "codec")
    return found.latent_space == load_manifest(base, "codec").latent_space and hand in added_hands(found)


def compare(recipes: Mapping[str, Mapping], hand: str) -> dict[str, Compared]:
    """Figures of the hand itself, then means over its pairs with the others as target and as source.

    What could not be measured, because no pose was within reach, is left out.
    """
    both = [recipes[name] for name in ("trained", "added")]
    rows = {name: Compared(*(report["hands"][hand][name] for report in both)) for name in OWN}
    across = [mean_of(row for pair, row in report["pairs"].items() if hand in pair.split(">")) for report in both]
    return rows | {name: Compared(*(row[name] for row in across)) for name in ACROSS if all(name in a for a in across)}


def _table(hand: str, rows: Mapping[str, Compared]) -> Table:
    table = Table("", "trained", "added", "ratio", title=f"{hand}, trained with the others and added afterwards")
    for name, row in rows.items():
        table.add_row(name, f"{row.trained:.4g}", f"{row.added:.4g}", f"{row.ratio:.2f}")
    return table


if __name__ == "__main__":
    sys.exit(main())
