"""What is shown of a run, on a terminal and elsewhere."""

from __future__ import annotations

import io

from rich.console import Console

from bringup.monitor import SILENT_AFTER_S, Status
from bringup.table import View, figures, render, rows

STATUSES = {
    "policy": Status("policy", 0, "running", {"inference_ms_p50": "18.25", "chunks": "12"}, 100.0),
    "driver/left/arm": Status("driver/left/arm", 1, "holding", {"rate_hz": "100"}, 100.0),
    "simulation": Status("simulation", 0, "running", {"picks": "3", "successes": "2"}, 100.0),
    "visitor": Status("visitor", 0, "hello", {}, 100.0),
}


def test_sources_come_first_and_unknown_nodes_last() -> None:
    assert [row[0] for row in rows(STATUSES, 100.5)] == ["simulation", "driver/left/arm", "policy", "visitor"]


def test_a_part_without_new_diagnostics_is_shown_as_an_error() -> None:
    _, level, state, _ = rows({"policy": STATUSES["policy"]}, 100.0 + SILENT_AFTER_S + 1.0)[0]
    assert (level, state) == (2, "stale for 4 s")


def test_figures_are_short_and_have_units() -> None:
    assert figures(STATUSES["policy"]) == "18.2 ms p50 · 12 chunks"


def test_a_terminal_shows_every_part() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=120, color_system=None)
    console.print(render("3 of 60 s", STATUSES, 100.5))
    text = console.file.getvalue()
    assert "3 of 60 s" in text and all(name in text for name in STATUSES)


def test_a_stopped_driver_is_shown_with_its_reason_and_the_remedy() -> None:
    values = {"state": "stopped", "reason": "the device was lost and is back"}
    ((_, _, state, _),) = rows({"driver/left/arm": Status("driver/left/arm", 1, "stopped", values, 100.0)}, 100.5)
    assert state == "stopped: the device was lost and is back; check the robot, then ./ws run bringup release"


def test_elsewhere_lines_are_plain_and_few() -> None:
    out = io.StringIO()
    with View(Console(file=out, force_terminal=False, width=120)) as view:
        for second in range(4):
            view.show(f"{second} of 60 s", STATUSES)
    assert out.getvalue().count("of 60 s") == 1
    assert "\x1b" not in out.getvalue()
    assert "driver/left/arm: " in out.getvalue()
