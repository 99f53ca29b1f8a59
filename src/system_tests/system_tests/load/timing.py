"""Timing of the servo loops, from the drivers' diagnostics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from bringup.monitor import Status
from contracts.hops import HOPS
from hand_drivers.servo import PERIOD_EDGES
from system_tests.load.checks import Check, at_least, at_most

RATE_SHARE = 0.99  # of the rate asked for
JITTER_SHARE = 0.05  # of the period, p99
WAY_MS = {"p50": 10.0, "p99": 18.0}  # of arms, from the stamp of an image to the first write, without inference
ADD_UP_SHARE = 0.05  # largest difference between the sum of the hops and the whole
OVERHEAD_MS = 2.0
GUARD_US, GUARD_JOINTS = 40.0, 16

Quantiles = Mapping[str, float | None]


@dataclass(frozen=True)
class Loop:
    """One servo loop: rates in Hz, times in ms; None if not reported.

    Attributes:
        asked_hz: The rate of the settings.
        rate_hz: Mean rate.
        jitter: Difference between the time between two steps and the period.
        work: Duration of a step.
        whole: Time from a chunk's reception to the first write that executes it.
        overhead: The same without the wait for the next period.
        histogram: Counts of the times between steps, by PERIOD_EDGES in periods.
        overruns: Missed periods.
        longest_ms: Longest time between two steps.
    """

    asked_hz: float
    rate_hz: float | None
    jitter: Quantiles
    work: Quantiles
    whole: Quantiles
    overhead: Quantiles
    histogram: tuple[int, ...]
    overruns: int
    longest_ms: float | None

    @property
    def jitter_share(self) -> float | None:
        """p99 of the jitter as a share of the period."""
        p99 = self.jitter["p99"]
        return None if p99 is None else p99 * 1e-3 * self.asked_hz

    def figures(self) -> dict[str, Any]:
        """The figures for JSON."""
        return {
            "asked_hz": self.asked_hz,
            "rate_hz": None if self.rate_hz is None else round(self.rate_hz, 2),
            "jitter_ms": dict(self.jitter),
            "jitter_p99_share": None if self.jitter_share is None else round(self.jitter_share, 4),
            "period_histogram": {"edges": list(PERIOD_EDGES), "counts": list(self.histogram)},
            "overruns": self.overruns,
            "step_ms": dict(self.work),
            "longest_period_ms": self.longest_ms,
            "command_to_write_ms": dict(self.whole),
            "command_overhead_ms": dict(self.overhead),
        }


def loop(status: Status, asked_hz: float, rate_hz: float | None) -> Loop:
    """The figures of a loop in a driver's diagnostics."""
    return Loop(
        asked_hz,
        rate_hz,
        quantiles(status, "period_jitter"),
        quantiles(status, "step"),
        quantiles(status, "command_to_write"),
        quantiles(status, "command_overhead"),
        tuple(int(count) for count in status.values.get("period_histogram", "").split()),
        int(status.number("overruns") or 0),
        status.number("longest_period_ms"),
    )


def quantiles(status: Status, key: str) -> dict[str, float | None]:
    """Quantiles p50, p99 and max, ms, of a duration in a status."""
    return {name: status.number(f"{key}_ms_{name}") for name in ("p50", "p99", "max")}


def shares(histogram: tuple[int, ...]) -> list[str]:
    """The histogram in per cent, `""` for an empty bin."""
    total = sum(histogram)
    return [f"{100.0 * count / total:.3g}" if count else "" for count in histogram]


def bins() -> list[str]:
    """The bins of the histogram, in per cent of the period."""
    edges = [f"{100.0 * edge:.0f}" for edge in PERIOD_EDGES]
    return [f"<{edges[0]}", *(f"{low}-{high}" for low, high in pairwise(edges)), f">={edges[-1]}"]


def judge(loops: Mapping[str, Loop], idle: Mapping[str, Loop], guard_us: float) -> list[Check]:
    """Check the timing of every loop against its limits."""
    checks = []
    for name, found in loops.items():
        share = found.jitter_share
        checks += [
            at_least(f"{name}: rate", found.rate_hz, RATE_SHARE * found.asked_hz, "Hz"),
            at_most(f"{name}: period jitter p99", _percent(share), 100.0 * JITTER_SHARE, "% of the period"),
            at_most(f"{name}: command to write, overhead p99", found.overhead["p99"], OVERHEAD_MS, "ms"),
        ]
    for name, found in idle.items():
        limit = 100.0 * JITTER_SHARE
        checks.append(at_most(f"{name}: period jitter p99", _percent(found.jitter_share), limit, "% of the period"))
    checks.append(at_most(f"motion guard, {GUARD_JOINTS} joints, p99", guard_us, GUARD_US, "us"))
    return checks


def reported_ms(statuses: Mapping[str, Status]) -> dict[str, float]:
    """Mean time from stamp to first write by part, as reported by its drivers, of all executed chunks."""
    reported: dict[str, list[float]] = {}
    for name, status in statuses.items():
        mean = status.number("age_after_write_ms_mean")
        if name.startswith("driver/") and mean:
            reported.setdefault(name.rpartition("/")[2], []).append(mean)
    return {part: sum(means) / len(means) for part, means in reported.items()}


def judge_way(parts: Mapping[str, Mapping[str, Quantiles]]) -> list[Check]:
    """Check the latency of a chunk to an arm."""
    way = parts.get("arm", {}).get("whole_without_inference", {})
    return [
        at_most(f"arm: image stamp to first write without inference, {name}", way.get(name), limit, "ms")
        for name, limit in WAY_MS.items()
    ]


def judge_sum(parts: Mapping[str, Mapping[str, Mapping[str, float]]], reported: Mapping[str, float]) -> list[Check]:
    """Check that the hops of the joined chunks add up to the whole as reported by the drivers, of all chunks."""
    checks = []
    for part in ("arm", "hand"):
        whole = reported.get(part)
        added = sum(parts[part][hop]["mean"] for hop in HOPS) if part in parts else None
        missed = None if added is None or not whole else 100.0 * abs(added - whole) / whole
        limit = 100.0 * ADD_UP_SHARE
        checks.append(at_most(f"{part}: hops added up, off the whole", missed, limit, "% of the whole"))
    return checks


def _percent(share: float | None) -> float | None:
    return None if share is None else 100.0 * share
