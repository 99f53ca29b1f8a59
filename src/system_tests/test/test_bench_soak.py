"""The long run: growth, stalls and lost chunks are found where they are, and nowhere else."""

from __future__ import annotations

import math
import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bench_process import refused, run_bench
from hypothesis import given
from hypothesis import strategies as st

from bringup.monitor import Status
from node_kit.testing import until
from system_tests.load import accounting, soak, stalls, usage
from system_tests.load.interruptions import Interruptions
from system_tests.load.usage import Sample, Usage

HOUR = 3600.0


def series(mb: np.ndarray, threads: int = 5, seconds: float = HOUR) -> list[Sample]:
    times = np.linspace(0.0, seconds, len(mb))
    return [Sample(at_s, value, threads, 9) for at_s, value in zip(times, mb, strict=True)]


def of(seconds: float, *taken: Sample) -> Usage:
    return Usage(seconds, {"node": list(taken)})


def failed(found: list) -> list[str]:
    return [check.what for check in found if not check.ok]


@given(st.floats(-50, 50), st.floats(10, 1000), st.floats(60, 10 * HOUR))
def test_the_slope_of_a_straight_line_is_found_in_mb_an_hour(slope: float, start: float, seconds: float) -> None:
    found = usage.trend(series(start + slope * np.linspace(0.0, seconds / HOUR, 40), seconds=seconds))
    assert found.slope_mb_h == pytest.approx(slope, abs=1e-6)
    assert found.growth_mb == pytest.approx(slope * seconds / HOUR, abs=1e-6)


def test_a_leak_fails_and_a_sawtooth_does_not() -> None:
    leak, saw = 100.0 + np.linspace(0.0, 4.0, 60), 100.0 + 5.0 * (np.arange(60) % 6)
    assert failed(usage.judge(of(HOUR, *series(leak)))) == ["node: memory"]
    assert failed(usage.judge(of(HOUR, *series(saw)))) == []


def test_what_grows_while_a_process_warms_up_is_no_leak() -> None:
    taken = np.minimum(60.0 + np.linspace(0.0, 600.0, 61), 100.0)
    assert failed(usage.judge(of(HOUR, *series(taken)))) == []


def test_a_page_more_in_a_short_run_is_no_leak_though_its_slope_is_steep() -> None:
    assert failed(usage.judge(of(60.0, *series(100.0 + np.linspace(0.0, 0.5, 30), seconds=60.0)))) == []


@given(st.lists(st.integers(1, 30), min_size=1, max_size=40))
def test_a_count_that_comes_back_to_where_it_was_does_not_grow(counts: list[int]) -> None:
    assert not usage.grows(counts + counts[::-1])


@given(st.lists(st.integers(1, 30), min_size=4, max_size=40), st.integers(1, 5))
def test_a_count_that_stays_higher_than_it_ever_was_grows(counts: list[int], more: int) -> None:
    assert usage.grows(counts + [max(counts) + more] * len(counts))


def test_threads_that_grow_fail() -> None:
    flat = np.full(20, 100.0)
    taken = [*series(flat, threads=5, seconds=HOUR / 2), *series(flat, threads=6)[10:]]
    assert failed(usage.judge(of(HOUR, *taken))) == ["node: threads"]


def test_a_process_without_samples_is_no_success() -> None:
    assert "node: memory" in failed(usage.judge(of(HOUR, Sample(0.0, 1.0, 1, 1))))


def test_this_process_is_sampled_as_it_is() -> None:
    pid, hold = os.getpid(), threading.Event()
    before = usage.sample(pid, 0.0)
    thread = threading.Thread(target=hold.wait)
    thread.start()
    with open(os.devnull) as _:
        after = usage.sample(pid, 1.0)
    hold.set()
    thread.join()
    assert (after.threads, after.files) == (before.threads + 1, before.files + 1)
    assert 1.0 < before.rss_mb < 10_000.0
    assert usage.sample(2**30, 0.0) is None


def test_a_long_run_takes_no_more_samples_than_it_may() -> None:
    used = Usage(24 * HOUR)
    for second in range(0, 24 * 3600, 10):
        used.observe(float(second), {"node": os.getpid()})
    assert 100 < len(used.samples["node"]) <= usage.SAMPLES


COUNTS = st.integers(1, 10**6)


def statuses(sent: int, refused: int, dropped: int, received: int | None = None) -> dict[str, Status]:
    """A graph of one side in which a codec refuses and a queue drops some chunks."""
    received = sent if received is None else received
    decoded = received - refused

    def status(name: str, message: str, **values: int) -> Status:
        return Status(name, 0, message, {key: str(value) for key, value in values.items()})

    driver = {"chunks": decoded - dropped, "refused": 0, "dropped": dropped}
    found = [
        status("policy", "running", chunks=sent),
        status("codec/left", "running", received=received, dropped=0, chunks=decoded, chunks_refused=refused),
        status("driver/left/arm", "holding", **driver),
        status("driver/left/hand", "tracking", **driver),
    ]
    return {status.name: status for status in found}


@given(COUNTS, st.data())
def test_chunks_that_are_all_refused_overtaken_or_accepted_balance(sent: int, data: st.DataObject) -> None:
    refused_ = data.draw(st.integers(0, sent - 1))
    dropped = data.draw(st.integers(0, sent - refused_))
    assert failed(accounting.chunks(statuses(sent, refused_, dropped))) == []


@given(COUNTS, st.integers(1, 100))
def test_a_single_missing_chunk_is_reported(sent: int, missing: int) -> None:
    found = accounting.chunks(statuses(sent + missing, 0, 0, received=sent))
    assert failed(found) == ["policy to codec/left"]
    assert f"{missing} lost" in found[0].found


def test_a_driver_that_counts_less_than_it_was_given_is_named() -> None:
    found = statuses(100, 3, 1)
    found["driver/left/hand"].values["chunks"] = "95"
    assert failed(accounting.chunks(found)) == ["codec/left to driver/left/hand"]


def test_no_chunks_no_counts_and_no_parts_are_no_success() -> None:
    assert len(failed(accounting.chunks(statuses(0, 0, 0)))) == 4
    del (found := statuses(9, 0, 0))["driver/left/arm"]
    assert failed(accounting.chunks(found)) == ["codec/left to driver/left/arm"]
    assert failed(accounting.chunks({})) == ["chunks"] and failed(accounting.drivers({})) == ["drivers"]


def test_a_driver_that_was_stopped_is_named_with_its_reason() -> None:
    stopped = Status("driver/left/arm", 1, "stopped", {"reason": "joint 3 is hot"})
    found = accounting.drivers({**statuses(9, 0, 0), stopped.name: stopped})
    assert failed(found) == ["driver/left/arm: state"]
    assert found[0].found == "stopped: joint 3 is hot"


ARM = "driver/left/arm"


def arm(message: str = "tracking", longest_ms: str = "60.0", gaps: int = 1) -> dict[str, Status]:
    return {ARM: Status(ARM, 0, message, {"longest_period_ms": longest_ms, "long_gaps": str(gaps)})}


@pytest.mark.parametrize(("longest", "gaps", "ok"), [("49.9", 0, True), ("50.1", 1, False), ("", 0, False)])
def test_a_gap_over_50_ms_fails(longest: str, gaps: int, ok: bool) -> None:
    assert soak.streaks(arm(longest_ms=longest, gaps=gaps), {})[0].ok is ok


@pytest.mark.parametrize(("excused", "ok"), [(1, False), (2, True)])
def test_only_gaps_that_are_all_excused_are_not_judged(excused: int, ok: bool) -> None:
    check = soak.streaks(arm(gaps=2), {ARM: excused})[0]
    assert check.ok is ok and f"{excused} of them during scheduler stalls" in check.found


class Run:
    """A run second by second: stalls of the machine, states of the drivers, and resets by the operator."""

    def __init__(self, excuse_ms: float = 50.0) -> None:
        self.second, self.stall_ms, self.resets = 0, 0.0, []
        self.found = Interruptions(excuse_ms, lambda: self.stall_ms, lambda: self.resets.append(self.second))

    def goes_on(self, seconds: int = 1, stall_ms: float | None = 0.0, **reported: Any) -> None:
        for _ in range(seconds):
            self.stall_ms = stall_ms
            self.found.observe(float(self.second), arm(**reported))
            self.second += 1


def test_gaps_are_excused_only_during_scheduler_stalls() -> None:
    run = Run()
    run.goes_on(5, gaps=3)
    run.goes_on(stall_ms=80.0, gaps=3)
    run.goes_on(gaps=5)  # reported a second later
    run.goes_on(5, gaps=5)
    run.goes_on(5, gaps=6)
    assert run.found.gaps == {ARM: 2}


def test_gaps_before_a_driver_begins_its_figures_anew_excuse_none_after() -> None:
    run = Run()
    run.goes_on(3, stall_ms=80.0, gaps=3)
    run.goes_on(9, gaps=0)
    run.goes_on(9, gaps=2)
    assert run.found.gaps == {ARM: 0}


@pytest.mark.parametrize("stall_ms", [49.0, None])
def test_neither_a_short_pause_nor_one_that_is_not_known_excuses_anything(stall_ms: float | None) -> None:
    run = Run()
    run.goes_on(gaps=0)
    run.goes_on(3, stall_ms=stall_ms, gaps=1)
    run.goes_on(60, stall_ms=stall_ms, message="stopped")
    assert (run.found.gaps.get(ARM, 0), run.found.stops, run.resets) == (0, 0, [])


def test_robots_stopped_by_a_stall_are_reset_until_they_are_ready() -> None:
    run = Run()
    run.goes_on(10)
    run.goes_on(stall_ms=300.0, message="lost")
    run.goes_on(30, message="stopped")
    run.goes_on(100)
    assert run.found.stops == 1 and len(run.resets) == 2 and 11 <= run.resets[0] <= 15


def test_robots_that_stop_without_a_stall_are_not_reset() -> None:
    run = Run()
    run.goes_on(10)
    run.goes_on(5, message="stopped")
    run.goes_on(stall_ms=300.0, message="stopped")  # too late to be the reason
    run.goes_on(60, message="stopped")
    assert run.found.stops == 0 and run.resets == []


def test_nothing_is_excused_unless_requested() -> None:
    run = Run(math.inf)
    run.goes_on(stall_ms=5000.0, gaps=9, message="stopped")
    run.goes_on(60, gaps=9, message="stopped")
    assert run.found.gaps.get(ARM, 0) == 0 and run.resets == []


@pytest.mark.graph
def test_what_is_wrong_is_one_line_before_anything_starts() -> None:
    assert "--minutes: found nan, expected at least" in refused("soak", "--minutes", "nan")
    assert "right.hand.embodiment: found 'octopus'" in refused("soak", "right_hand:=octopus")


@pytest.mark.system
def test_a_short_run_accounts_for_every_chunk_and_watches_every_process(tmp_path: Path, free_port: int) -> None:
    done, figures = run_bench("soak", tmp_path, free_port, "--minutes", "0.2", "--backend", "sim")
    assert done.returncode in (0, 1), done.stdout + done.stderr  # pauses of the loops depend on this machine
    expected = {"simulation", "policy", "left_codec", "right_codec", "front_camera"}
    expected |= {f"{side}_{part}_driver" for side in ("left", "right") for part in ("arm", "hand")}
    assert set(figures["processes"]) == expected
    judged = [check for check in figures["checks"] if not any(w in check["what"] for w in ("longest gap", "memory"))]
    assert [check for check in judged if not check["ok"]] == []
    assert int(figures["counts"]["policy"]["chunks"]) > 50
    assert done.returncode == (0 if all(check["ok"] for check in figures["checks"]) else 1)


@given(st.lists(st.tuples(st.integers(0, 500), st.booleans()), max_size=50))
def test_the_longest_delay_since_the_last_request_is_found(steps: list[tuple[int, bool]]) -> None:
    delays, now_ms, late_ms = stalls.Delays(), 0, [0]
    delays.step(0)
    for late, request in steps:
        now_ms += 10 + late
        delays.step(now_ms * 1_000_000)
        late_ms.append(late)
        if request:
            assert delays.take_ms() == pytest.approx(max(late_ms))
            late_ms = [0]
    assert delays.take_ms() == pytest.approx(max(late_ms))


@pytest.mark.graph
def test_what_keeps_a_processor_from_running_is_measured() -> None:
    with stalls.SchedulerStalls() as found:
        if found.longest_ms() is None:
            pytest.skip("no real-time priority here")
        watcher = found._watcher.pid
        os.kill(watcher, signal.SIGSTOP)
        time.sleep(0.3)
        os.kill(watcher, signal.SIGCONT)
        assert until(lambda: found.longest_ms() >= 250.0)  # once the measuring threads have run again
    assert found.longest_ms() >= 250.0 and f"{found.longest_ms():.1f} ms" in stalls.words(found.longest_ms())


@pytest.mark.graph
def test_stalls_are_unknown_after_the_end_of_the_measuring_process() -> None:
    with stalls.SchedulerStalls() as found:
        found._watcher.kill()
        found._watcher.wait()
        assert found.longest_ms() is None
    assert "unknown" in stalls.words(found.longest_ms())
