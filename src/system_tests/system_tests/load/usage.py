"""Memory, threads and open files of processes over time, and whether they grow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from system_tests.load.checks import Check

PROC = Path("/proc")
SAMPLES = 1000  # per process, for any length of the run
# Allocations at the start of the work are not leaks: caches, arenas of the allocator, ring buffers.
WARM_UP_SHARE, WARM_UP_S = 0.25, (5.0, 300.0)
# Over a shift of ten hours 2 MB an hour are 20 MB, a tenth of the largest node. In a short run the slope is one of the
# allocator's pages, so that growth has to be more than 2 MB too.
GROWTH_MB, SLOPE_MB_H = 2.0, 2.0


@dataclass(frozen=True)
class Sample:
    """A process at a time (s): resident memory (MB), numbers of threads and open files."""

    at_s: float
    rss_mb: float
    threads: int
    files: int


@dataclass(frozen=True)
class Trend:
    """Growth of the resident memory after the warm-up: least-squares slope, MB/h, and growth over the run, MB."""

    slope_mb_h: float
    growth_mb: float


def sample(pid: int, at_s: float, proc: Path = PROC) -> Sample | None:
    """Sample a process; None if it has ended."""
    try:
        lines = (proc / str(pid) / "status").read_text().splitlines()
        files = sum(1 for _ in (proc / str(pid) / "fd").iterdir())
    except OSError:
        return None
    values = {name: value.split()[0] for name, _, value in (line.partition(":") for line in lines) if value.strip()}
    if "VmRSS" not in values:  # a zombie
        return None
    return Sample(at_s, int(values["VmRSS"]) / 1024.0, int(values["Threads"]), files)


@dataclass
class Usage:
    """Samples of processes by name, at a fixed period over a run of `seconds`; bounded."""

    seconds: float
    samples: dict[str, list[Sample]] = field(default_factory=dict)
    _due_s: float = 0.0

    def observe(self, at_s: float, pids: Mapping[str, int]) -> None:
        """Take samples if they are due."""
        if at_s < self._due_s:
            return
        self._due_s = at_s + max(1.0, self.seconds / SAMPLES)
        for name, pid in pids.items():
            taken = sample(pid, at_s)
            if taken is not None:
                self.samples.setdefault(name, []).append(taken)

    def words(self) -> str:
        """A text for the newest samples of all processes together."""
        newest = [series[-1] for series in self.samples.values()]
        return f"{sum(s.rss_mb for s in newest):.0f} MB, {sum(s.threads for s in newest)} threads"

    def warm(self) -> dict[str, list[Sample]]:
        """The samples after the warm-up."""
        shortest, longest = WARM_UP_S
        end_s = min(max(WARM_UP_SHARE * self.seconds, shortest), longest)
        return {name: [taken for taken in series if taken.at_s >= end_s] for name, series in self.samples.items()}


def trend(series: list[Sample]) -> Trend | None:
    """The trend of the resident memory; None for fewer than three samples."""
    if len(series) < 3:
        return None
    hours = np.array([taken.at_s for taken in series]) / 3600.0
    slope = float(np.polyfit(hours - hours.mean(), [taken.rss_mb for taken in series], 1)[0])
    return Trend(slope, slope * float(hours[-1] - hours[0]))


def grows(counts: list[int]) -> bool:
    """Whether a number grows: the lowest of the last quarter is above the highest of the first."""
    quarter = max(1, len(counts) // 4)
    return len(counts) > 1 and min(counts[-quarter:]) > max(counts[:quarter])


def judge(usage: Usage) -> list[Check]:
    """Check memory, threads and open files of every process."""
    checks = []
    for name, series in usage.warm().items():
        checks.append(_memory(name, trend(series)))
        for what in ("threads", "files"):
            counts = [getattr(taken, what) for taken in series]
            found = f"{counts[0]} to {counts[-1]}" if counts else "not measured"
            checks.append(Check(f"{name}: {what}", found, "no growth", bool(counts) and not grows(counts)))
    return checks


def _memory(name: str, found: Trend | None) -> Check:
    asked = f"at most {GROWTH_MB:g} MB or {SLOPE_MB_H:g} MB/h"
    if found is None:
        return Check(f"{name}: memory", "too few samples", asked, False)
    words = f"{found.growth_mb:+.2f} MB, {found.slope_mb_h:+.2f} MB/h"
    return Check(f"{name}: memory", words, asked, found.growth_mb <= GROWTH_MB or found.slope_mb_h <= SLOPE_MB_H)


def figures(usage: Usage) -> dict[str, Any]:
    """For JSON: first and last sample after the warm-up and trend of each process."""
    found = {}
    for name, series in usage.warm().items():
        line = trend(series)
        if line is not None:
            first, last = (
                {"rss_mb": round(s.rss_mb, 2), "threads": s.threads, "files": s.files} for s in (series[0], series[-1])
            )
            slope, growth = round(line.slope_mb_h, 3), round(line.growth_mb, 3)
            found[name] = {"first": first, "last": last, "slope_mb_h": slope, "growth_mb": growth}
    return found
