"""Removes the shared memory of killed processes.

Fast DDS keeps the lock of a segment open while its process runs, and removes both at a regular end. After SIGKILL they
remain, several megabytes per process, until /dev/shm is full.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

SHM, PREFIX, LOCK = Path("/dev/shm"), "fastrtps_", "_el"


def segments_of(pid: int, proc: Path = Path("/proc")) -> list[Path]:
    """The segments of a running process; empty if it has ended or may not be inspected."""
    try:
        links = [os.readlink(entry) for entry in (proc / str(pid) / "fd").iterdir()]
    except OSError:
        return []
    locks = [Path(link) for link in links if link.startswith(f"{SHM}/{PREFIX}") and link.endswith(LOCK)]
    # Ports are shared: the next process that uses them takes them over.
    return [lock.with_name(lock.name.removesuffix(LOCK)) for lock in locks if "port" not in lock.name]


def remove(segments: Iterable[Path]) -> None:
    """Remove segments of ended processes, with their locks."""
    for segment in segments:
        for file in (segment, segment.with_name(segment.name + LOCK)):
            file.unlink(missing_ok=True)
