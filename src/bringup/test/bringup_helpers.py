"""Small things the tests of bring-up share."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

FAKES = Path(__file__).parent / "fakes"


def until(condition: Callable[[], bool], timeout_s: float = 10.0) -> bool:
    """Waits until `condition` holds; False when it does not within the time."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def alive(pid: int) -> bool:
    """Whether a process exists and is not a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def fake(name: str) -> list[str]:
    """argv of a small executable of these tests."""
    return [sys.executable, str(FAKES / f"{name}.py")]
