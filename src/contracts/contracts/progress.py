"""Progress of long work: a bar on a terminal, a line every few seconds elsewhere, where a bar would print nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sized
from typing import TypeVar

from rich import progress
from rich.console import Console

LINE_EVERY_S = 15.0
Item = TypeVar("Item")


class Lines:
    """Lines in place of a bar, at most one every LINE_EVERY_S; none on a terminal.

    Args:
        console: Where they are printed; by default the output.
        clock: Monotonic time, s.
    """

    def __init__(self, console: Console | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.console, self._clock = console or Console(), clock
        self._due_s = clock()

    def show(self, text: str) -> None:
        """Print a text, if there is no terminal and it is time for a line; the first one is printed at once."""
        if not self.console.is_terminal and self._clock() >= self._due_s:
            self._due_s = self._clock() + LINE_EVERY_S
            self.console.print(text, soft_wrap=True, highlight=False, markup=False)


def track(
    items: Iterable[Item], description: str, total: int | None = None, console: Console | None = None
) -> Iterator[Item]:
    """Iterate over items, and show how many of them are done.

    Args:
        items: What is worked on.
        description: What it is called.
        total: How many there are; by default the length of `items`.
        console: Where it is shown; by default the output.
    """
    lines = Lines(console)
    if lines.console.is_terminal:
        yield from progress.track(items, description, total=total, console=lines.console)
        return
    count = total if total is not None else len(items) if isinstance(items, Sized) else None
    known = "" if count is None else f" of {count}"
    lines.show(f"{description}: 0{known}")
    for done, item in enumerate(items, 1):
        yield item
        lines.show(f"{description}: {done}{known}")
