"""Where the workspace and its outputs are, whether built by colcon or run from source."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path


def workspace() -> Path:
    """The workspace root: $CROSSHAND_WS, else the nearest folder holding `ws` above here or the working directory."""
    named = os.environ.get("CROSSHAND_WS")
    if named:
        return Path(named).resolve()
    here = Path(__file__).resolve()
    for folder in (*here.parents, Path.cwd(), *Path.cwd().parents):
        if (folder / "ws").is_file() and (folder / "src").is_dir():
            return folder
    return Path.cwd()


def absolute(path: str | Path) -> Path:
    """`path` as it is when absolute, else under the working directory if it exists there, else under the workspace."""
    path = Path(path).expanduser()
    if path.is_absolute() or path.exists():
        return path.absolute()
    return workspace() / path


@dataclass(frozen=True)
class RunDirectory:
    """Everything one run of the graph leaves behind: resolved station, parameters, logs, report, video, bag."""

    path: Path

    @classmethod
    def create(cls, parent: Path | None = None) -> RunDirectory:
        """A new folder `run-<date>-<time>` under `parent` (default: `out` of the workspace)."""
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
        return self.path / "logs"

    @property
    def station(self) -> Path:
        return self.path / "station.yaml"

    @property
    def parameters(self) -> Path:
        return self.path / "parameters.yaml"

    def log(self, node: str) -> Path:
        return self.logs / f"{node}.log"
