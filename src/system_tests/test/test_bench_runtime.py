"""The timing bench reads the diagnostics of the drivers, checks them against limits, and measures a single loop."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from bench_process import refused, run_bench
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from bringup.monitor import Status
from contracts.hops import HOPS
from hand_drivers.servo import PERIOD_EDGES
from system_tests.load import checks, idle, timing

QUANTILES = ("p50", "p99", "max")
REPORTED = {
    **{f"period_jitter_ms_{name}": value for name, value in zip(QUANTILES, ("0.1", "0.16", "3"), strict=True)},
    **{f"step_ms_{name}": value for name, value in zip(QUANTILES, ("0.3", "0.9", "2"), strict=True)},
    **{f"command_to_write_ms_{name}": value for name, value in zip(QUANTILES, ("3", "5", "6"), strict=True)},
    **{f"command_overhead_ms_{name}": value for name, value in zip(QUANTILES, ("1", "1.9", "2.5"), strict=True)},
    "period_histogram": "0 0 1 2 90 4 2 1 0 0",
    "overruns": "7",
    "longest_period_ms": "7.2",
}


def loop(**changes: str) -> timing.Loop:
    return timing.loop(Status("driver/left/arm", values={**REPORTED, **changes}), 250.0, 249.9)


def failed(loops: dict[str, timing.Loop], idle: dict[str, timing.Loop] | None = None, guard_us: float = 30.0) -> list:
    return [check.what for check in timing.judge(loops, idle or {}, guard_us) if not check.ok]


def test_a_loop_is_read_off_the_diagnostics_of_its_driver() -> None:
    found = loop()
    assert (found.jitter["p99"], found.work["p50"], found.whole["max"], found.overhead["p99"]) == (0.16, 0.3, 6.0, 1.9)
    assert (found.overruns, found.longest_ms, sum(found.histogram)) == (7, 7.2, 100)
    assert found.jitter_share == pytest.approx(0.04)  # 0.16 ms of 4 ms
    assert found.figures()["period_histogram"] == {"edges": list(PERIOD_EDGES), "counts": list(found.histogram)}


def test_a_loop_within_its_limits_passes_and_each_miss_is_named() -> None:
    assert failed({"left/arm": loop()}) == []
    assert failed({"left/arm": loop(period_jitter_ms_p99="0.21")}) == ["left/arm: period jitter p99"]
    assert failed({"left/arm": loop(command_overhead_ms_p99="2.1")}) == ["left/arm: command to write, overhead p99"]
    assert failed({}, {"arm alone": loop(period_jitter_ms_p99="0.21")}) == ["arm alone: period jitter p99"]
    assert failed({}, {"arm alone": loop()}) == []
    assert failed({}, guard_us=41.0) == ["motion guard, 16 joints, p99"]
    slow = timing.loop(Status("driver/left/arm", values=REPORTED), 250.0, 240.0)
    assert failed({"left/arm": slow}) == ["left/arm: rate"]


def test_figures_that_no_driver_reported_fail() -> None:
    silent = timing.loop(Status("driver/left/arm"), 250.0, None)
    assert len(failed({"left/arm": silent})) == 3
    assert silent.figures()["jitter_p99_share"] is None


def figures(hop_ms: float, **others: float) -> dict[str, dict[str, dict[str, float]]]:
    sums = {"whole_without_inference": 10 * hop_ms}
    found = {
        name: dict.fromkeys((*QUANTILES, "mean"), ms) for name, ms in {**dict.fromkeys(HOPS, hop_ms), **sums}.items()
    }
    found |= {name: dict.fromkeys((*QUANTILES, "mean"), ms) for name, ms in others.items()}
    return {"arm": found, "hand": found}


def missed_hops(found: dict[str, dict[str, dict[str, float]]], wholes: dict[str, float]) -> list[str]:
    return [check.what for check in timing.judge_way(found) + timing.judge_sum(found, wholes) if not check.ok]


def test_a_path_that_is_too_long_or_does_not_add_up_is_named() -> None:
    wholes = {"arm": 11.0, "hand": 11.0}  # eleven hops of a millisecond
    assert missed_hops(figures(1.0), wholes) == []
    assert missed_hops(figures(1.0, whole_without_inference=10.1), wholes) == [
        "arm: image stamp to first write without inference, p50"
    ]
    assert missed_hops(figures(1.0), {**wholes, "hand": 11.7}) == ["hand: hops added up, off the whole"]


def test_a_path_without_measurements_fails() -> None:
    assert len(missed_hops({}, {})) == 4


def test_the_whole_is_the_mean_of_what_both_drivers_reported() -> None:
    statuses = {
        name: Status(name, values={"age_after_write_ms_mean": mean})
        for name, mean in (("driver/left/arm", "10"), ("driver/right/arm", "14"), ("driver/left/hand", "20"))
    }
    assert timing.reported_ms(statuses) == {"arm": 12.0, "hand": 20.0}


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=10))
def test_the_shares_of_a_histogram_are_those_of_its_counts(counts: list[int]) -> None:
    total = sum(counts)
    for count, share in zip(counts, timing.shares(tuple(counts)), strict=True):
        assert (float(share or 0.0) == pytest.approx(100.0 * count / total, rel=0.01)) if count else share == ""


def test_every_bin_has_a_name() -> None:
    assert len(timing.bins()) == len(PERIOD_EDGES) + 1
    assert timing.bins()[0] == "<50" and timing.bins()[4] == "95-105" and timing.bins()[-1] == ">=200"


def test_the_table_shows_found_required_and_verdict() -> None:
    console = Console(width=100, file=StringIO())
    console.print(checks.table("limits", [checks.at_most("guard", 61.0, 50.0, "us"), checks.at_least("r", 3, 1, "Hz")]))
    text = console.file.getvalue()
    assert all(words in text for words in ("guard", "61 us", "at most 50 us", "no", "at least 1 Hz", "yes"))


@pytest.mark.graph
def test_a_loop_alone_follows_chunks_and_the_guard_is_timed() -> None:
    found = idle.idle_loop("arm", "xarm7", 250.0, 0.6, rt_priority=0)
    assert sum(found.histogram) > 20 and 0.0 < found.overhead["p99"] <= found.whole["max"]
    guard_us = idle.guard_us(rt_priority=0)
    assert 0.0 < guard_us["p50"] <= guard_us["p99"] <= guard_us["max"] and np.isfinite(guard_us["max"])


@pytest.mark.graph
def test_what_is_wrong_is_one_line_before_anything_starts() -> None:
    assert "left_hand: found 'octopus'" in refused("runtime", "left_hand:=octopus")
    assert "--json" in refused("runtime", "--json", "/dev/null/report.json")


@pytest.mark.system
def test_a_short_run_measures_every_driver_beside_the_whole_graph(tmp_path: Path, free_port: int) -> None:
    done, figures = run_bench("runtime", tmp_path, free_port, "--seconds", "3")
    assert done.returncode == 0, done.stdout + done.stderr
    assert set(figures["loops"]) == {"left/arm", "left/hand", "right/arm", "right/hand"}
    for name, found in figures["loops"].items():
        assert found["asked_hz"] == (250.0 if name.endswith("arm") else 100.0)
        assert sum(found["period_histogram"]["counts"]) > 50
        assert 0.0 < found["command_overhead_ms"]["p50"] <= found["command_to_write_ms"]["max"]
    assert set(figures["alone"]) == {"arm alone", "hand alone"}
    assert figures["graph"]["latency_ms"]["inference"]["p50"] > 0.0 and figures["graph"]["cpu_percent"] > 0.0
    assert figures["graph"]["hops_ms"]["arm"]["whole"]["count"] > 5
    assert len(figures["checks"]) == 19 and "limits" in done.stdout
