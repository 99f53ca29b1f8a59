"""What hand to add and where; how its files get to their places: all of them or none."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from contracts.files import read_bytes
from embodiments import EmbodimentError, registry
from embodiments.urdf_import.importer import Intake, Options, write
from embodiments.urdf_import.read_urdf import Tips
from embodiments.urdf_xml import MAX_BYTES
from latent_codec.training.add_hand.bundle import install

SCRATCH = ".added."  # followed by the process


@dataclass(frozen=True)
class Arguments:
    """What to add and where.

    Attributes:
        name: Of the hand.
        urdf, tips, options: What it is made of; without a URDF, the robot of that name is taken as its YAML has it.
        codec: The bundle that gets the hand.
        robots: Folder of the YAML and URDF of added hands.
        work: Folder of checkpoints, one folder for each hand.
        steps: Of training; None: as many as usual.
        replace: Whether a hand that was added before may be replaced.
        restart: Whether to train from the first step, whatever checkpoint there is.
    """

    name: str
    codec: Path
    robots: Path
    work: Path
    urdf: Path | None = None
    tips: Tips = field(default_factory=dict)
    options: Options = field(default_factory=Options)
    steps: int | None = None
    seed: int = 0
    replace: bool = False
    restart: bool = False


def check_name(arguments: Arguments) -> None:
    """A robot that exists is only overwritten by --replace, and only one that was added."""
    own = arguments.robots / f"{arguments.name}.yaml"
    if (registry.DATA / own.name).exists() or (own.exists() and not arguments.replace):
        hint = "" if not own.exists() else f"; without --urdf, {own} is taken as it is; --replace makes it again"
        raise EmbodimentError("arguments", "name", arguments.name, f"a name that no robot has yet{hint}")


@contextmanager
def workplace(intake: Intake | None, arguments: Arguments) -> Iterator[Path]:
    """An empty folder for the new bundle. While this lasts, the registry knows the new hand, written nowhere yet."""
    before, own = os.environ.get(registry.FOLDERS_VARIABLE), arguments.robots.resolve()
    kept = [text for text in (before or "").split(os.pathsep) if text and Path(text).resolve() != own]
    _remove_abandoned(arguments.codec.parent)
    with tempfile.TemporaryDirectory(dir=arguments.codec.parent, prefix=f"{SCRATCH}{os.getpid()}.") as temporary:
        bundle, folder = Path(temporary).resolve() / "bundle", Path(temporary).resolve() / "robots"
        bundle.mkdir()
        if arguments.robots.is_dir():
            shutil.copytree(arguments.robots, folder)
        if intake is not None:
            write(intake, folder, replace=True)
        os.environ[registry.FOLDERS_VARIABLE] = os.pathsep.join((str(folder), *kept))
        try:
            yield bundle
        finally:
            os.environ.pop(registry.FOLDERS_VARIABLE)
            if before is not None:
                os.environ[registry.FOLDERS_VARIABLE] = before


def _remove_abandoned(folder: Path) -> None:
    """Remove the work places of processes that were killed and could not."""
    for path in folder.glob(f"{SCRATCH}*"):
        process = path.name.removeprefix(SCRATCH).partition(".")[0]
        if not (process.isdecimal() and Path("/proc", process).exists()):
            shutil.rmtree(path, ignore_errors=True)


def put(intake: Intake | None, arguments: Arguments, work: Path) -> None:
    """Robot first, bundle second; should the second fail, the first is undone."""
    files = [arguments.robots / f"{arguments.name}.{ending}" for ending in ("yaml", "urdf")]
    before = {path: read_bytes(path, MAX_BYTES, EmbodimentError) for path in files if path.exists()}
    try:
        if intake is not None:
            write(intake, arguments.robots, replace=True)
        install(work, arguments.codec)
    except BaseException:
        for path in files:
            path.unlink(missing_ok=True) if path not in before else path.write_bytes(before[path])
        raise
