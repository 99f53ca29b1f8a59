"""Long work shows its progress without a terminal, too."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from contracts import progress
from contracts.progress import Lines, track


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_a_pipe_gets_a_line_at_once_and_then_one_every_few_seconds() -> None:
    out, clock = io.StringIO(), Clock()
    lines = Lines(Console(file=out), clock)
    for second in range(31):
        clock.now_s = 100.0 + second
        lines.show(f"step [{second}]")
    assert out.getvalue().splitlines() == ["step [0]", "step [15]", "step [30]"]


def test_a_terminal_gets_no_lines() -> None:
    out = io.StringIO()
    Lines(Console(file=out, force_terminal=True)).show("step")
    assert out.getvalue() == ""


def test_items_are_counted_without_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "LINE_EVERY_S", 0.0)
    out = io.StringIO()
    assert list(track(iter("ab"), "matching poses", 2, Console(file=out))) == ["a", "b"]
    assert out.getvalue().splitlines() == [f"matching poses: {done} of 2" for done in range(3)]


def test_items_reach_a_terminal_with_a_bar() -> None:
    out = io.StringIO()
    assert list(track([1, 2, 3], "converting", console=Console(file=out, force_terminal=True))) == [1, 2, 3]
    assert "converting" in out.getvalue()
