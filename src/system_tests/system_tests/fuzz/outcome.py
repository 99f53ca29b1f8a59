"""What comes of fuzzing something: counts, failures, and that it ends."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

HANG_S = 60.0  # after which a conversation is broken off
TOLD = 5  # failures that are kept; the rest is counted
ACCEPTED = "accepted"


class Wrong(AssertionError):  # noqa: N818  it says what is wrong, and is none of the product's
    """A promise that was not kept; the text says which."""


class Hang(BaseException):
    """Raised into whatever does not end; not an Exception, so that nothing on the way takes it for one."""


@dataclass
class Outcome:
    """What came of a target. failures: texts with all that is needed to see them again."""

    name: str
    frames: int = 0
    accepted: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    slowest_ms: float = 0.0
    seconds: float = 0.0
    failed: int = 0
    failures: list[str] = field(default_factory=list)
    note: str = ""
    skipped: bool = False  # for want of a library; the note names it

    @property
    def ok(self) -> bool:
        """Whether every promise was kept, and something was tried at all."""
        return self.skipped or (not self.failed and self.frames > 0)

    def take(self, found: str) -> None:
        """Count what became of a frame."""
        self.frames += 1
        if found == ACCEPTED:
            self.accepted += 1
        else:
            self.refused[found] += 1

    def fail(self, text: str) -> None:
        """Count a failure and keep the first few."""
        self.failed += 1
        if len(self.failures) < TOLD:
            self.failures.append(text)

    def report(self) -> dict[str, Any]:
        """As JSON has it."""
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
    """Events until that many messages are counted or a promise is broken; `settle` after every `at_once` of them."""
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
    """The error and where it was raised."""
    if isinstance(error, (Wrong, Hang)):
        return f"{type(error).__name__.lower()}: {error}"
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = f" in {trace.tb_frame.f_code.co_name}" if trace is not None else ""
    return f"crash: {type(error).__name__}: {error}{where}"


@contextlib.contextmanager
def bounded(seconds: float) -> Iterator[None]:
    """Raise Hang into what takes longer; in the main thread alone, which is where signals come."""
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
