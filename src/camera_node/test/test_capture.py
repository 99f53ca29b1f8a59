"""Capture: a camera read in a thread, watched from another, opened again when it is lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from capture_bench import PERIOD_S, Bench

from camera_node import capture as module
from camera_node.capture import Capture
from camera_node.monitor import FrameMonitor
from camera_node.source import Frame, SourceError


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_BACKOFF_S", 0.05)
    monkeypatch.setattr(module, "LAST_BACKOFF_S", 0.2)
    monkeypatch.setattr(module, "JOIN_S", 0.5)


@pytest.fixture
def make_bench() -> Iterator[Callable[..., Bench]]:
    made: list[Bench] = []

    def make(reopen_after_s: float | None = 0.6) -> Bench:
        made.append(Bench(reopen_after_s))
        return made[-1]

    yield make
    for each in made:
        each.camera.released.set()
        each.capture.stop()


@pytest.fixture
def bench(make_bench: Callable[..., Bench]) -> Bench:
    return make_bench().stream()


def test_frames_are_delivered_in_order_and_the_state_is_reported_once(bench):
    bench.wait_for(lambda: len(bench.frames) >= 20, "twenty frames")
    assert bench.capture.stop()
    assert (np.diff([frame.stamp_ns for frame in bench.frames]) > 0).all()
    assert [state for _, state in bench.state_changes].count("streaming") >= 1 and bench.state_changes[0][
        1
    ] == "streaming"
    assert bench.capture.frames == len(bench.frames) and bench.capture.repeated == 0
    assert 0 < bench.capture.rate_hz <= 1 / PERIOD_S
    assert bench.camera.closed == len(bench.camera.opened_s) == 1


def test_a_camera_that_raises_is_reported_lost_closed_and_reopened(bench):
    bench.change("broken")
    bench.wait_for_state("lost")
    assert bench.capture.problem == "the cable is out"
    assert bench.camera.closed >= 1
    before = len(bench.frames)
    bench.change("fine")
    bench.wait_for_state("streaming")
    bench.wait_for(lambda: len(bench.frames) > before, "new frames")
    assert bench.capture.problem == "" and bench.capture.opened >= 2


def test_a_lost_camera_is_retried_with_increasing_pauses(make_bench):
    bench = make_bench()
    bench.camera.away = True
    bench.capture.start()
    bench.wait_for(lambda: len(bench.camera.opened_s) >= 6, "six attempts")
    assert bench.capture.problem == "nobody answers", "one line"
    pauses = np.diff(bench.camera.opened_s[:6])
    assert (pauses >= [0.05, 0.1, 0.2, 0.2, 0.2]).all()
    assert bench.capture.opened == 0 and [state for _, state in bench.state_changes] == ["lost"]


def test_each_reason_why_a_camera_is_lost_is_reported_once(make_bench):
    bench = make_bench()
    bench.camera.away = True
    bench.capture.start()
    bench.wait_for(lambda: len(bench.camera.opened_s) >= 3, "three attempts")
    bench.camera.answer = "not permitted"
    bench.wait_for(lambda: "not permitted" in bench.problems, "the other reason")
    seen = len(bench.camera.opened_s)
    bench.wait_for(lambda: len(bench.camera.opened_s) >= seen + 2, "two more attempts")
    assert bench.problems == ["nobody answers", "not permitted"]
    assert [state for _, state in bench.state_changes] == ["lost", "lost"]


def test_a_camera_is_lost_until_a_frame_comes_however_often_it_is_opened(bench):
    bench.change("silent")
    bench.wait_for_state("lost")
    bench.state_changes.clear()
    seen = bench.capture.opened
    bench.wait_for(lambda: bench.capture.opened >= seen + 2, "two more attempts")
    assert bench.state_changes == [] and bench.capture.state == "lost"


@pytest.mark.parametrize("reopen_after_s", [None, 30.0], ids=["recording", "camera"])
@pytest.mark.parametrize("condition", ["silent", "hanging"])
def test_a_camera_without_a_first_frame_does_not_stay_starting(make_bench, monkeypatch, condition, reopen_after_s):
    monkeypatch.setattr(module, "START_S", 0.5)
    bench = make_bench(reopen_after_s)
    bench.camera.condition = condition
    bench.capture.start()
    began_s = time.monotonic()
    assert bench.capture.state == "starting" and bench.state_changes == []
    assert bench.wait_for_state("lost") - began_s >= 0.5
    assert bench.capture.problem == "no frame in 0.5 s"
    bench.change("fine")
    bench.camera.released.set()
    bench.wait_for_state("streaming")
    assert bench.capture.problem == ""


@pytest.mark.parametrize(("condition", "state"), [("silent", "stopped"), ("frozen", "frozen"), ("hanging", "stopped")])
def test_a_camera_without_new_frames_is_reported_by_its_fault(bench, condition, state):
    bench.change(condition)
    bench.wait_for_state(state)


@pytest.mark.parametrize("condition", ["silent", "frozen"])
def test_a_camera_without_new_frames_is_reopened_and_sends_no_old_ones(bench, condition):
    bench.change(condition)
    bench.wait_for_state("lost")
    assert bench.capture.problem == "no new frame for 0.6 s"
    shown = len(bench.frames)
    bench.wait_for(lambda: bench.capture.opened >= 3, "two more attempts")
    assert len(bench.frames) == shown
    bench.change("fine")
    bench.wait_for(lambda: len(bench.frames) > shown and bench.capture.state == "streaming", "new frames")


def test_a_camera_that_hangs_does_not_delay_the_stop(bench):
    bench.change("hanging")
    bench.wait_for_state("stopped")
    changes, frames = len(bench.state_changes), len(bench.frames)
    assert bench.capture.stop() is False, "the source still hangs"
    bench.camera.released.set()
    bench.wait_for(lambda: bench.camera.closed, "the end of the thread")
    assert bench.capture.stop() is True
    assert len(bench.state_changes) == changes and len(bench.frames) == frames


def test_a_recording_that_ends_is_closed_and_not_restarted(bench):
    bench.change("over")
    bench.wait_for_state("ended")
    assert bench.capture.problem == "" and bench.camera.closed == 1
    assert bench.capture.stop()
    assert len(bench.camera.opened_s) == 1 and bench.state_changes[-1][1] == "ended"


def test_a_recording_that_fails_is_lost_and_not_retried(make_bench):
    bench = make_bench(reopen_after_s=None).stream()
    bench.change("broken")
    bench.wait_for_state("lost")
    bench.wait_for(lambda: "_read" not in [thread.name for thread in threading.enumerate()], "the end of reading")
    assert len(bench.camera.opened_s) == bench.camera.closed == 1
    assert bench.capture.problem == "the cable is out" and bench.capture.state == "lost"


def test_a_recording_is_not_reopened_after_a_gap(make_bench):
    bench = make_bench(reopen_after_s=None).stream()
    bench.change("silent")
    bench.wait_for_state("stopped")
    bench.change("fine")
    bench.wait_for_state("streaming")
    assert len(bench.camera.opened_s) == 1


def test_a_frame_that_its_receiver_refuses_is_a_problem_of_the_camera(make_bench):
    bench = make_bench()

    def refuse(frame: Frame) -> None:
        raise SourceError("front.yaml: images 2x2, calibration 640x480")

    bench.capture = Capture(bench.camera, FrameMonitor(), refuse, bench._on_change, 0.6)
    bench.capture.start()
    bench.wait_for_state("lost")
    assert bench.capture.problem == "front.yaml: images 2x2, calibration 640x480"


def test_stopping_what_was_never_started_is_harmless(make_bench):
    assert make_bench().capture.stop() is True
