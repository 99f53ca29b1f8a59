"""Removes the shared memory of processes that were killed.

Fast DDS keeps the lock of a segment and of a port while its process runs, and removes both at a regular end. After
SIGKILL they remain, several megabytes per process, until /dev/shm is full.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

SHM = Path("/dev/shm")
PREFIX, PORT, LOCK = "fastrtps_", "fastrtps_port", "_el"
NEW_S = 0.2  # a younger file may belong to a process that has not locked it yet


def remove_dead(folder: Path = SHM, proc: Path = Path("/proc")) -> list[str]:
    """Remove segments and ports of ended processes of this user.

    Args:
        folder: Where they are.
        proc: The proc file system, which tells what running processes have mapped.

    Returns:
        The names of what was removed, without locks and semaphores.
    """
    dead = [path for path in folder.glob(f"{PREFIX}*{LOCK}") if _is_dead(path)]
    # A running process that sends to a port maps it without a lock, and would go on sending to what was removed.
    mapped = _mapped(proc, folder) if dead else set()
    removed = []
    for lock in dead:
        name = lock.name.removesuffix(LOCK)
        if not (name.startswith(PORT) and name in mapped):
            for file in (name, f"{name}_sl", f"sem.{name}_mutex", lock.name):
                with contextlib.suppress(OSError):
                    (folder / file).unlink(missing_ok=True)
            removed.append(name)
    return removed


def close_inherited(folder: Path = SHM) -> None:
    """Close the locks of the process that started this one; to be called before this one uses ROS.

    `ros2 launch` passes its open files on to all nodes: its locks would be held until the last node has ended.
    """
    for entry in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            if os.readlink(f"/proc/self/fd/{entry}").startswith(f"{folder}/{PREFIX}"):
                os.close(int(entry))


def _is_dead(lock: Path) -> bool:
    """Whether a lock is this user's, not new, and held by no process."""
    try:
        status = lock.stat()
        if status.st_uid != os.geteuid() or time.time() - status.st_mtime < NEW_S:
            return False
        with lock.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _mapped(proc: Path, folder: Path) -> set[str]:
    """Names of the files in `folder` that running processes have mapped."""
    return {
        line.rpartition("/")[2] for maps in proc.glob("[0-9]*/maps") for line in _lines(maps) if str(folder) in line
    }


def _lines(file: Path) -> Iterator[str]:
    with contextlib.suppress(OSError):  # it has ended, or is another user's
        yield from file.read_text(errors="replace").splitlines()
