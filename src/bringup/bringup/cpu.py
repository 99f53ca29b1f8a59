"""Processor time of process groups, read from /proc."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
# Fields of /proc/<pid>/stat counted from the one after the name: group, then user, system, and waited-for children.
GROUP, UTIME, CSTIME = 2, 11, 14


def cpu_seconds(groups: Iterable[int], proc: Path = Path("/proc")) -> float:
    """CPU time, s, of all processes of the process groups so far, including children that have ended."""
    wanted = set(groups)
    total = 0
    for entry in proc.iterdir():
        if entry.name.isdigit():
            fields = _fields(entry / "stat")
            if fields and int(fields[GROUP]) in wanted:
                total += sum(int(ticks) for ticks in fields[UTIME : CSTIME + 1])
    return total / TICKS_PER_S


def _fields(stat: Path) -> list[str]:
    try:
        # The name is in parentheses, and may contain spaces and parentheses.
        return stat.read_text(errors="replace").rpartition(")")[2].split()
    except OSError:  # the process has ended
        return []


class CpuMeter:
    """Mean load of process groups since the construction."""

    def __init__(self, groups: Iterable[int]) -> None:
        self._groups = set(groups)
        self._start_s, self._spent_s = time.monotonic(), cpu_seconds(self._groups)

    def percent(self) -> float:
        """The load, per cent of one core."""
        elapsed = time.monotonic() - self._start_s
        return 100.0 * max(0.0, cpu_seconds(self._groups) - self._spent_s) / elapsed if elapsed > 0.0 else 0.0
