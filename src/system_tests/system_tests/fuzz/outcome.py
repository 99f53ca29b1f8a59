"""Results of fuzzing a target: counts and failures; time limits."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

HANG_S = 60.0  # time limit of a connection
KEPT = 5  # failures that are kept; the others are only counted
ACCEPTED = "accepted"


class Wrong(AssertionError):  # noqa: N818 - a failed check, not an error of the product
    """A requirement that does not hold; the text names it."""


class Hang(BaseException):
    """Raised in code that does not end; not an Exception, so that no handler of the code catches it."""


@dataclass
class Outcome:
    """The result of a target; the texts of `failures` contain what is needed to reproduce them."""

    name: str
    frames: int = 0
    accepted: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    slowest_ms: float = 0.0
    seconds: float = 0.0
    failed: int = 0
    failures: list[str] = field(default_factory=list)
    note: str = ""
    skipped: bool = False  # a library is missing; the note names it

    @property
    def ok(self) -> bool:
        """Whether nothing failed and something was tested, or the target was skipped."""
        return self.skipped or (not self.failed and self.frames > 0)

    def take(self, found: str) -> None:
        """Count the status of a frame."""
        self.frames += 1
        if found == ACCEPTED:
            self.accepted += 1
        else:
            self.refused[found] += 1

    def fail(self, text: str) -> None:
        """Count a failure and keep the first few."""
        self.failed += 1
        if len(self.failures) < KEPT:
            self.failures.append(text)

    def report(self) -> dict[str, Any]:
        """The result for JSON."""
        return {
            "name": self.name,
            "frames": self.frames,
            "accepted": self.accepted,
            "refused": dict(self.refused.most_common()),
            "slowest_ms": round(self.slowest_ms, 3),
            "seconds": round(self.seconds, 1),
            "failed": self.failed,
            "failures": self.failures,
            "note": self.note,
            "skipped": self.skipped,
            "ok": self.ok,
        }


def repeat(outcome: Outcome, count: int, event: Callable[[], None], settle: Callable[[], None], at_once: int) -> None:
    """Run events until `count` messages are counted or a check fails; `settle` is called after every `at_once`."""
    while outcome.frames < count and not outcome.failed:
        try:
            with bounded(HANG_S):
                for _ in range(at_once):
                    if outcome.frames >= count:
                        break
                    began = time.perf_counter()
                    event()
                    outcome.slowest_ms = max(outcome.slowest_ms, 1e3 * (time.perf_counter() - began))
                settle()
        except (Exception, Hang) as error:
            outcome.fail(f"{describe(error)} at message {outcome.frames}")


def describe(error: BaseException) -> str:
    """The error and the place where it was raised."""
    if isinstance(error, (Wrong, Hang)):
        return f"{type(error).__name__.lower()}: {error}"
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = f" in {trace.tb_frame.f_code.co_name}" if trace is not None else ""
    return f"crash: {type(error).__name__}: {error}{where}"


@contextlib.contextmanager
def bounded(seconds: float) -> Iterator[None]:
    """Raise Hang in code that takes longer; in the main thread only, which receives signals."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(*_: object) -> None:
        raise Hang(f"no end in {seconds:g} s")

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
