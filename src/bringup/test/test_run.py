"""The supervisor's command line reports what keeps robots from moving, in its output and its exit status."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

from bringup import run
from bringup.monitor import Monitor


class ShortRun:
    """A run of two ticks, in which the driver reports one state each."""

    def __init__(self, *states: str) -> None:
        self.monitor = Monitor()
        self._states = states

    def wait(self, _: float, tick: Callable[[float], None]) -> None:
        for number, state in enumerate(self._states):
            status = DiagnosticStatus(level=DiagnosticStatus.WARN, name="driver/left/arm", message=state)
            status.values = [KeyValue(key="state", value=state), KeyValue(key="reason", value="the device was lost")]
            self.monitor.receive(DiagnosticArray(status=[status]))
            tick(float(number))


def watched(supervisor: ShortRun) -> list[str]:
    session = SimpleNamespace(station=SimpleNamespace(seconds=1.0))
    return [str(found) for found in run.watch(session, supervisor)]


def test_a_driver_that_stays_stopped_is_named_once_with_the_remedy(capsys: pytest.CaptureFixture[str]) -> None:
    line = "driver/left/arm: stopped: the device was lost; to do: check the robot, then ./ws run bringup release"
    assert watched(ShortRun("stopped", "stopped")) == [line]
    assert capsys.readouterr().err == f"warning: {line}\n"


def test_a_driver_that_was_released_is_no_failure() -> None:
    assert watched(ShortRun("stopped", "tracking")) == []


def test_robots_that_cannot_move_at_the_end_are_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    session = SimpleNamespace(station=SimpleNamespace(seconds=1.0), run=SimpleNamespace(path="out"))
    monkeypatch.setattr(run, "prepare", lambda arguments: session)
    monkeypatch.setattr(run, "run_graph", lambda session, watch: (0, watch(ShortRun("lost"))))
    assert run.main([]) == 1
