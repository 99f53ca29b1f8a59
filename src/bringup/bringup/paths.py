"""Paths of the workspace and its outputs, whether built by colcon or run from source."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path


def workspace() -> Path:
    """The workspace root: $CROSSHAND_WS, else the nearest folder with `ws` above this file or the working directory."""
    named = os.environ.get("CROSSHAND_WS")
    if named:
        return Path(named).resolve()
    here = Path(__file__).resolve()
    for folder in (*here.parents, Path.cwd(), *Path.cwd().parents):
        if (folder / "ws").is_file() and (folder / "src").is_dir():
            return folder
    return Path.cwd()


def absolute(path: str | Path) -> Path:
    """An absolute path: relative to the working directory if it exists there, else to the workspace."""
    path = Path(path).expanduser()
    if path.is_absolute() or path.exists():
        return path.absolute()
    return workspace() / path


@dataclass(frozen=True)
class RunDirectory:
    """The files of one run of the graph: resolved station, parameters, logs, report, video, bag."""

    path: Path

    @classmethod
    def create(cls, parent: Path | None = None) -> RunDirectory:
        """Create a folder `run-<date>-<time>` in `parent`, by default `out` of the workspace."""
        parent = parent or workspace() / "out"
        stem = time.strftime("run-%Y%m%d-%H%M%S")
        for suffix in ("", *(f"-{n}" for n in range(1, 100))):
            path = parent / (stem + suffix)
            try:
                path.mkdir(parents=True)
            except FileExistsError:
                continue
            (path / "logs").mkdir()
            return cls(path)
        raise FileExistsError(f"{parent}: a hundred runs were started within one second")

    @property
    def logs(self) -> Path:
        """Folder of the logs."""
        return self.path / "logs"

    @property
    def station(self) -> Path:
        """The resolved station."""
        return self.path / "station.yaml"

    @property
    def parameters(self) -> Path:
        """The parameters of all nodes."""
        return self.path / "parameters.yaml"

    def log(self, node: str) -> Path:
        """The log of a process."""
        return self.logs / f"{node}.log"
