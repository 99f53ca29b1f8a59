"""The live view of a run: a table on a terminal, a line every few seconds elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from bringup.impediments import of_part
from bringup.monitor import SILENT_AFTER_S, Status

LINE_EVERY_S = 10.0
STYLES = ("green", "yellow", "bold red", "bold red")
# Figures of each part, in this order; of other parts, only the message is shown.
FIGURES: dict[str, tuple[tuple[str, str], ...]] = {
    "simulation": (("picks", "picks"), ("successes", "in the tray"), ("real_time_factor", "x real time")),
    "driver": (
        ("rate_hz", "Hz"),
        ("period_jitter_ms_p99", "ms jitter p99"),
        ("camera_to_command_ms_p50", "ms from camera"),
        ("limited", "limited"),
        ("held", "held"),
        ("refused", "refused"),
    ),
    "codec": (("codec_ms_p50", "ms p50"), ("codec_ms_p99", "ms p99"), ("chunks", "chunks"), ("refused", "refused")),
    "policy": (
        ("inference_ms_p50", "ms p50"),
        ("inference_ms_p99", "ms p99"),
        ("chunks", "chunks"),
        ("images_received", "images"),
        ("refused", "refused"),
    ),
    "camera": (("rate_hz", "Hz"), ("published", "images")),
    "recorder": (("messages", "messages"), ("dropped", "dropped"), ("bytes", "bytes")),
}
ORDER = list(FIGURES)


def figures(status: Status) -> str:
    """The figures of a part on one line, such as `100 Hz · 0.4 ms jitter p99`."""
    shown = FIGURES.get(status.name.split("/")[0], ())
    return " · ".join(f"{_short(status.values[key])} {unit}" for key, unit in shown if key in status.values)


def _short(value: str) -> str:
    try:
        number = float(value)
    except ValueError:
        return value
    return str(int(number)) if number == int(number) else f"{number:.3g}"


def rows(statuses: Mapping[str, Status], now_s: float) -> list[tuple[str, int, str, str]]:
    """(part, level, state, figures) of every part, in the order of FIGURES."""

    def rank(name: str) -> tuple[int, str]:
        kind = name.split("/")[0]
        return (ORDER.index(kind) if kind in ORDER else len(ORDER), name)

    listed = []
    for name in sorted(statuses, key=rank):
        status = statuses[name]
        stale = now_s - status.at_s > SILENT_AFTER_S
        impediment = of_part(status)
        current = f"{impediment.state}; {impediment.remedy}" if impediment else status.message
        current += f"; {status.values['hidden']}" if "hidden" in status.values else ""
        state = f"stale for {now_s - status.at_s:.0f} s" if stale else current
        listed.append((name, max(status.level, 2 if stale else 0), state, figures(status)))
    return listed


def render(title: str, statuses: Mapping[str, Status], now_s: float) -> Table:
    """The table of the present statuses."""
    table = Table(title=title, title_justify="left", expand=False, show_edge=False, pad_edge=False)
    for column in ("part", "state", "figures"):
        table.add_column(column, no_wrap=column == "part")
    for name, level, state, text in rows(statuses, now_s):
        table.add_row(name, Text(state, style=STYLES[min(level, 3)]), text)
    return table


class View:
    """Shows the statuses during a run; a context manager."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(file=sys.stdout, highlight=False, markup=False)
        self._live: Live | None = None
        self._last_line_s = float("-inf")

    def __enter__(self) -> View:
        if self.console.is_terminal:
            self._live = Live(console=self.console, auto_refresh=False, transient=False)
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, title: str, statuses: Mapping[str, Status]) -> None:
        """Update the view; to be called a few times per second."""
        now = time.monotonic()
        if self._live is not None:
            self._live.update(render(title, statuses, now), refresh=True)
        elif now - self._last_line_s >= LINE_EVERY_S:
            self._last_line_s = now
            self.console.print(title, markup=False)
            for name, level, state, text in rows(statuses, now):
                if level or name in ("simulation", "policy"):
                    self.console.print(f"  {name}: {state} {text}".rstrip(), markup=False, soft_wrap=True)
