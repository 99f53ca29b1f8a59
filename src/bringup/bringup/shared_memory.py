"""Shared memory that a killed process leaves behind.

Fast DDS keeps the lock of a segment open for as long as the process that owns it lives and removes both at a clean
end. After SIGKILL they stay, several megabytes a process, until /dev/shm is full.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

SHM, PREFIX, LOCK = Path("/dev/shm"), "fastrtps_", "_el"


def segments_of(pid: int, proc: Path = Path("/proc")) -> list[Path]:
    """The segments that a running process owns; empty when it is gone or not ours to look at."""
    try:
        links = [os.readlink(entry) for entry in (proc / str(pid) / "fd").iterdir()]
    except OSError:
        return []
    locks = [Path(link) for link in links if link.startswith(f"{SHM}/{PREFIX}") and link.endswith(LOCK)]
    # Ports are shared: whoever listens there next takes them over.
    return [lock.with_name(lock.name.removesuffix(LOCK)) for lock in locks if "port" not in lock.name]


def remove(segments: Iterable[Path]) -> None:
    """Removes segments whose owner is dead, with their locks."""
    for segment in segments:
        for file in (segment, segment.with_name(segment.name + LOCK)):
            file.unlink(missing_ok=True)
