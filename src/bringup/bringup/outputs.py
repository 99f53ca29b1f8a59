"""The report and the video of a run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from bringup.paths import RunDirectory
from bringup.report import Report
from bringup.station import ArgumentError
from contracts.files import write_atomic

VIDEO_TIMEOUT_S = 120.0


def check_writable(path: Path) -> None:
    """Check that the file of `--json` can be written; one that does not exist is not created.

    Raises:
        ArgumentError: If it cannot be written.
    """
    existed = path.exists()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a"):
            pass
    except OSError as error:
        found = f"{str(path)!r} ({(error.strerror or 'an error').lower()})"
        raise ArgumentError(f"--json: found {found}, expected a file that can be written") from None
    if not existed:
        path.unlink()


def write_report(report: Report, run: RunDirectory, copy: Path | None = None) -> None:
    """Write the report into the run's folder, and to `copy` if given."""
    for path in filter(None, (run.path / "report.json", copy)):
        if path.exists() and not path.is_file():  # a terminal or a pipe
            path.write_text(report.text())
        else:
            write_atomic(path, report.text())
        print(f"report: {path}")
    for death in report.died or ():
        print(f"died: {death.node} {death.cause}")
    print(f"{report.successes} of {report.picks} picks ended in the tray")
    for impediment in report.impediments or ():
        print(f"error: {impediment}", file=sys.stderr)


def make_video(run: RunDirectory) -> bool:
    """Write the run's bag as a video; False with one line on stderr if that fails."""
    bags = sorted(path.parent for path in (run.path / "bag").glob("*/metadata.yaml"))
    if not bags:
        return _failed(f"{run.path / 'bag'}: found no bag, expected one of this run")
    video = run.path / "demo.mp4"
    argv = [sys.executable, "-m", "episodes.video", "film", str(bags[0]), "--out", str(video)]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=VIDEO_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        return _failed(f"video: found no end after {VIDEO_TIMEOUT_S:g} s, expected {video}")
    if done.returncode != 0:
        return _failed(f"video: {(done.stderr.strip().splitlines() or ['failed without an error message'])[-1]}")
    print(f"video: {video}\nbag: {bags[0]}")
    return True


def _failed(text: str) -> bool:
    print(f"error: {text}", file=sys.stderr)
    return False
