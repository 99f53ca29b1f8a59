"""Converts bags to a training dataset: `python -m episodes.convert BAG... --out DIR`. It can be resumed."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from contracts import command_line
from contracts.framing import FitOption
from contracts.progress import track
from episodes import sampling
from episodes.bag import EpisodeReader, is_complete, read_metadata
from episodes.dataset import DATASET_FILE, Dataset, EpisodeEntry, load_dataset, save_arrays, save_dataset
from episodes.extract import Settings, extract
from episodes.messages import image_array
from episodes.metadata import Description, EpisodeError, load_description
from episodes.storage import METADATA_FILE, SUFFIXES

SAVE_EVERY_S = 5.0


class Target(str, Enum):
    """Formats a bag can be converted to."""

    DATASET = "dataset"


@dataclass
class Report:
    """Results by bag: converted now, present already, skipped as unsuccessful, refused with the reason."""

    converted: int = 0
    present: int = 0
    skipped: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


def find_bags(paths: Iterable[Path]) -> list[Path]:
    """Every path that is a bag, and the complete bags in other folders, sorted by name.

    Raises:
        EpisodeError: For a path without any bag.
    """
    bags: list[Path] = []
    for path in map(Path, paths):
        single = path.suffix in SUFFIXES or is_complete(path)
        found = [path] if single else sorted(meta.parent for meta in path.glob(f"*/{METADATA_FILE}"))
        if not found:
            expected = (
                f"a folder with {METADATA_FILE} (./ws inspect --repair recovers one), or a folder of such folders"
            )
            raise EpisodeError(path, "", "no bag", expected)
        bags += found
    return list(dict.fromkeys(bags))


def unfinished_bags(paths: Iterable[Path]) -> list[Path]:
    """The folders at or in the paths that hold files of a bag which was not closed, sorted by name."""
    folders = [folder for path in map(Path, paths) if path.is_dir() for folder in (path, *sorted(path.iterdir()))]
    return [folder for folder in dict.fromkeys(folders) if folder.is_dir() and _is_unfinished(folder)]


def _is_unfinished(folder: Path) -> bool:
    return not is_complete(folder) and any(file.suffix in SUFFIXES and file.is_file() for file in folder.iterdir())


def convert(
    bags: Iterable[Path],
    out: Path,
    settings: Settings | None = None,
    *,
    include_failures: bool = False,
    workers: int = 1,
    console: Console | None = None,
    description: Description | None = None,
) -> Report:
    """Convert bags into a dataset, in addition to the episodes that it has. A refused bag does not stop the others.

    A bag that is no longer what its episode was made of is converted again. Episodes of bags that are not given stay.

    Args:
        bags: The bags.
        out: Folder of the dataset.
        settings: How the episodes are sampled.
        include_failures: Whether episodes that are not marked as successful are converted, too.
        workers: Number of processes.
        console: For the progress and what is converted again; by default that of stderr.
        description: What the bags are of, instead of what is written in them; one without `success` counts as that of
            successful episodes.

    Returns:
        The results by bag.

    Raises:
        EpisodeError: If the dataset was made with other settings.
    """
    settings, console = settings or Settings(), console or Console(stderr=True)
    report = Report()
    out.mkdir(parents=True, exist_ok=True)
    bags = list(bags)
    sources = {_source(out, bag) for bag in bags}
    dataset = _open(out, settings, sources, console)
    if description is not None:
        dataset.episodes = [e for e in dataset.episodes if e.source not in sources or _as_described(e, description)]
    todo = [bag for bag in bags if not _known(dataset, out, bag, report)]
    include_failures = include_failures or (description is not None and description.success is None)
    todo = [bag for bag in todo if _wanted(bag, description, include_failures, report)]
    numbered = list(zip(todo, _free_names(dataset), strict=False))
    saved = time.monotonic()
    for outcome in _track(_run(numbered, out, settings, workers, description), len(numbered), console):
        if isinstance(outcome, str):
            report.refused.append(outcome)
            continue
        report.converted += 1
        _add(dataset, outcome, settings)
        if time.monotonic() - saved > SAVE_EVERY_S:
            save_dataset(out, dataset)
            saved = time.monotonic()
    save_dataset(out, dataset)
    return report


def _open(out: Path, settings: Settings, given: set[str], console: Console) -> Dataset:
    """The dataset, without the episodes that have no file, or are not of what their bag, one of `given`, is now."""
    if not (out / DATASET_FILE).exists():
        return Dataset(period_s=settings.period_s, cameras={})
    dataset = load_dataset(out)
    sizes = set(dataset.cameras.values()) - {settings.size}
    if dataset.period_s != settings.period_s or sizes:
        found = f"period {dataset.period_s:g} s, images {sorted(sizes or {settings.size})}"
        expected = f"{settings.period_s:g} s, {settings.size}; convert to a new folder"
        raise EpisodeError(out / DATASET_FILE, "", found, expected)
    present = [entry for entry in dataset.episodes if (out / entry.file).is_file()]
    old = {entry.source: entry for entry in present if entry.source in given and not _is_current(out, entry)}
    dataset.episodes = [entry for entry in present if entry.source not in old]
    if unknown := sum(not entry.bag_files for entry in old.values()):
        why = f"{out / DATASET_FILE} does not say which files their bags had"
        console.print(f"{unknown} episodes are converted again: {why}", soft_wrap=True, highlight=False, markup=False)
    fits = {framing.fit for entry in dataset.episodes for framing in entry.framing.values()} - {"same", settings.fit}
    if fits and settings.fit != "same":
        raise EpisodeError(out / DATASET_FILE, "fit", fits.pop(), f"{settings.fit}; convert to a new folder")
    return dataset


def _is_current(out: Path, entry: EpisodeEntry) -> bool:
    """Whether an episode is of what its bag is now, or its bag no longer exists."""
    return _files_of(out / entry.source) in ({}, entry.bag_files)


def _files_of(bag: Path) -> dict[str, tuple[int, int]]:
    """Size, bytes, and time of change, ns, of the files of a bag by name; none without a bag.

    A bag that replaces another one can be older than that one and than its episode, so they are compared for equality.
    """
    files = sorted(bag.iterdir()) if bag.is_dir() else [bag]
    ours = [file for file in files if file.name == METADATA_FILE or not set(SUFFIXES).isdisjoint(file.suffixes)]
    found = {file.name: file.stat() for file in ours if file.is_file()}
    return {name: (each.st_size, each.st_mtime_ns) for name, each in found.items()}


def _as_described(entry: EpisodeEntry, description: Description) -> bool:
    """Whether an episode is still what a description says; otherwise it is converted again."""
    return (entry.task, entry.embodiments, entry.bases, entry.success, entry.topics) == (
        description.task,
        description.embodiments,
        description.bases,
        description.success,
        description.topics,
    )


def _source(out: Path, bag: Path) -> str:
    return os.path.relpath(bag.resolve(), out.resolve())


def _known(dataset: Dataset, out: Path, bag: Path, report: Report) -> bool:
    known = any(entry.source == _source(out, bag) for entry in dataset.episodes)
    report.present += known
    return known


def _wanted(bag: Path, description: Description | None, include_failures: bool, report: Report) -> bool:
    try:
        succeeded = include_failures or read_metadata(bag, description).succeeded
    except EpisodeError as error:
        report.refused.append(str(error))
        return False
    if not succeeded:
        report.skipped.append(str(bag))
    return bool(succeeded)


def _free_names(dataset: Dataset) -> Iterator[str]:
    taken = {entry.file for entry in dataset.episodes}
    return (name for i in range(10**9) if (name := f"episode_{i:05d}.npz") not in taken)


def _add(dataset: Dataset, outcome: tuple[EpisodeEntry, list[str]], settings: Settings) -> None:
    entry, cameras = outcome
    dataset.cameras |= dict.fromkeys(cameras, settings.size)
    dataset.episodes = sorted([*dataset.episodes, entry], key=lambda each: each.file)


def _one(
    out: Path, settings: Settings, description: Description | None, bag: Path, file: str
) -> tuple[EpisodeEntry, list[str]] | str:
    """Convert one bag; returns its entry and cameras, or why it was refused."""
    made_of = {"bag_files": _files_of(bag), "topics": description.topics if description else {}}
    try:
        entry, arrays = extract(bag, settings, file, _source(out, bag), description)
    except EpisodeError as error:
        return str(error)
    save_arrays(out / file, arrays)
    entry = entry.model_copy(update=made_of)
    return entry, [name.removeprefix("image.") for name in arrays if name.startswith("image.")]


def _run(
    numbered: list[tuple[Path, str]], out: Path, settings: Settings, workers: int, description: Description | None
) -> Iterator[tuple[EpisodeEntry, list[str]] | str]:
    job = partial(_one, out, settings, description)
    if workers <= 1 or len(numbered) < 2:
        yield from (job(bag, file) for bag, file in numbered)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_end_with_parent) as pool:
        try:
            for done in as_completed([pool.submit(job, bag, file) for bag, file in numbered]):
                yield done.result()
        finally:  # after an interruption: convert none of those that wait
            pool.shutdown(cancel_futures=True)


def _end_with_parent() -> None:
    """End this worker with the process that started it: one that was killed cannot tell it to, and it would wait."""
    threading.Thread(target=_wait_for_end_of_parent, name="parent", daemon=True).start()


def _wait_for_end_of_parent() -> None:
    if (parent := parent_process()) is not None:
        parent.join()
        os._exit(1)


def _track(outcomes: Iterator, total: int, console: Console) -> Iterator:
    yield from track(outcomes, "converting", total, console) if total else outcomes


def command(
    bags: Annotated[list[Path], typer.Argument(help="bags, or folders of bags", metavar="BAG...")],
    out: Annotated[Path, typer.Option(help="folder of the dataset")],
    to: Annotated[Target, typer.Option(help="format")] = Target.DATASET,
    include_failures: Annotated[bool, typer.Option(help="also episodes not marked as successful")] = False,
    workers: Annotated[int, typer.Option(min=1, help="processes")] = 1,
    rate_hz: Annotated[float, typer.Option(min=1, max=100, help="steps per second")] = 10.0,
    width: Annotated[int, typer.Option(min=8, max=4096, help="of the images, pixels")] = 128,
    height: Annotated[
        int | None, typer.Option(min=8, max=4096, help="of the images, pixels; by default the shape stays the camera's")
    ] = None,
    fit: Annotated[FitOption, typer.Option(help="images of another shape: same, refused; crop; pad")] = FitOption.SAME,
    max_state_age: Annotated[float, typer.Option(min=0, help="seconds, of a joint state at a frame")] = 0.15,
    max_command_age: Annotated[float, typer.Option(min=0, help="seconds since the newest command at a frame")] = 0.5,
    describe: Annotated[
        Path | None, typer.Option(help="description of the bags: task, robots, bases, names of topics")
    ] = None,
) -> None:
    """Convert recorded bags into a training dataset."""
    limits = sampling.Limits(state_age_s=max_state_age, command_age_s=max_command_age)
    try:
        description = load_description(describe) if describe else None
        chosen = find_bags(bags)
        size = (height, width) if height else _size(out, chosen, width, description)
        settings = Settings(period_s=1.0 / rate_hz, size=size, fit=fit.value, limits=limits)
        report = convert(
            chosen,
            out,
            settings,
            include_failures=include_failures,
            workers=workers,
            description=description,
        )
        total = len(load_dataset(out).episodes)
    except (EpisodeError, OSError) as error:  # OSError: a full disk, a folder that may not be written
        print(f"error: {command_line.described(error)}", file=sys.stderr)
        raise typer.Exit(1) from None
    for bag in unfinished_bags(bags):
        print(f"left out: {bag}: not closed; ./ws inspect --repair recovers what is there", file=sys.stderr)
    for reason in report.refused:
        print(f"refused: {reason}", file=sys.stderr)
    print(
        f"{out}: {total} episodes ({report.converted} new, {report.present} there already, "
        f"{len(report.skipped)} skipped as not successful, {len(report.refused)} refused)"
    )
    if report.refused or not total:
        raise typer.Exit(1)


def _size(out: Path, bags: list[Path], width: int, description: Description | None) -> tuple[int, int]:
    """Height and width of a dataset's images: those it has, else of the given width and the first camera's shape."""
    if (out / DATASET_FILE).exists() and (sizes := list(load_dataset(out).cameras.values())):
        return sizes[0]
    for bag in bags:
        try:
            with EpisodeReader(bag, description) as reader:
                shape = image_array(next(iter(reader.records({reader.camera_topic()}))).decode()).shape
                return max(8, round(width * shape[0] / shape[1])), width
        except (EpisodeError, StopIteration):
            continue  # refused in its turn, with the reason
    return width * 3 // 4, width


def main() -> int:
    """Run the command line; returns the exit status."""
    return command_line.run(command, name="convert")


if __name__ == "__main__":
    raise SystemExit(main())
