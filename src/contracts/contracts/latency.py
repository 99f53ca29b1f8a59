"""Percentiles of a whole run in constant memory."""

from __future__ import annotations

import math
from bisect import bisect_left
from itertools import accumulate


class LatencyTrace:
    """Durations in ms: a log-spaced histogram (0.001 ms to 1000 s, 2 % resolution) and the exact maximum.

    One thread may add while another reads: a summary then misses at most the newest value.
    """

    _LOWEST, _RATIO, _BINS = 1e-3, math.log(1.02), 1047

    def __init__(self) -> None:
        self._counts = [0] * self._BINS
        self._max = self._sum = 0.0
        self._count = 0

    def add(self, ms: float) -> None:
        """Count one duration; negative ones (clocks apart) count as zero, non-finite ones not at all."""
        if not math.isfinite(ms):
            return
        self._counts[self._bin(ms)] += 1
        self._count += 1
        self._sum += max(ms, 0.0)
        self._max = max(self._max, ms)

    def summary(self) -> dict[str, float]:
        """``{"p50", "p99", "max", "mean", "count"}``, in ms; zeros while nothing was added."""
        count = self._count  # before the bins, so that they hold at least as many
        upto = list(accumulate(self._counts))
        p50, p99 = (self._percentile(upto, share, count) for share in (0.50, 0.99))
        mean = self._sum / count if count else 0.0
        return {"p50": p50, "p99": p99, "max": self._max, "mean": mean, "count": count}

    def values(self, prefix: str) -> dict[str, float]:
        """The summary under diagnostics keys: ``<prefix>_ms_p50``, ``<prefix>_ms_p99``, ``<prefix>_ms_max``."""
        summary = self.summary()
        return {f"{prefix}_ms_{key}": round(summary[key], 3) for key in ("p50", "p99", "max")}

    def _bin(self, ms: float) -> int:
        if ms <= self._LOWEST:
            return 0
        return min(int(math.log(ms / self._LOWEST) / self._RATIO), self._BINS - 1)

    def _percentile(self, upto: list[int], share: float, count: int) -> float:
        """Of ``count`` values, of which ``upto[i]`` lie in the bins up to i."""
        if not count:
            return 0.0
        place = bisect_left(upto, math.ceil(share * count))
        return min(self._LOWEST * math.exp((place + 0.5) * self._RATIO), self._max)
