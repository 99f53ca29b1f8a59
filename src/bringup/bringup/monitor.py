"""The newest status of every part of the graph, taken from its diagnostics."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from contracts import hops
from contracts.hops import HopTable

OK = 0
SILENT_AFTER_S = 3.0


@dataclass(frozen=True)
class Status:
    """The newest status of a part.

    Attributes:
        at_s: The monotonic time of its reception, s.
        node: Full name of the node that published it.
    """

    name: str
    level: int = OK
    message: str = ""
    values: Mapping[str, str] = field(default_factory=dict)
    at_s: float = 0.0
    node: str = ""

    def number(self, key: str) -> float | None:
        """The value of `key` as a finite number; None if it is missing or not a number."""
        try:
            number = float(self.values[key])
        except (KeyError, ValueError):
            return None
        return number if math.isfinite(number) else None


class Monitor:
    """Collects statuses by name, at most LIMIT; thread-safe."""

    LIMIT = 256

    def __init__(self) -> None:
        self._statuses: dict[str, Status] = {}
        self._rates: dict[str, tuple[float, int]] = {}
        self._hops = HopTable()
        self._lock = threading.Lock()

    def receive(self, message: Any) -> None:
        """Receive a diagnostic_msgs/DiagnosticArray."""
        now = time.monotonic()
        with self._lock:
            for item in message.status:
                if item.name in self._statuses or len(self._statuses) < self.LIMIT:
                    level = item.level[0] if isinstance(item.level, bytes) else int(item.level)
                    values = {pair.key: pair.value for pair in item.values}
                    self._hops.receive(item.name, values.pop(hops.KEY, ""))
                    self._statuses[item.name] = status = Status(
                        item.name, level, item.message, values, now, item.hardware_id
                    )
                    self._add_rate(status)

    def _add_rate(self, status: Status) -> None:
        rate = status.number("rate_hz")
        if rate is not None:
            total, count = self._rates.get(status.name, (0.0, 0))
            self._rates[status.name] = (total + rate, count + 1)

    def begin(self) -> None:
        """Start the time over which means are taken."""
        with self._lock:
            self._rates.clear()
            self._hops = HopTable()

    def hop_figures(self) -> dict[str, dict[str, dict[str, float]]]:
        """The way of all chunks since `begin` that every node has reported; see `HopTable.figures`."""
        with self._lock:
            return self._hops.figures()

    def mean_rates(self) -> dict[str, float]:
        """Name -> mean of the `rate_hz` it has reported since `begin`."""
        with self._lock:
            return {name: total / count for name, (total, count) in self._rates.items()}

    def snapshot(self) -> dict[str, Status]:
        """Name -> newest status."""
        with self._lock:
            return dict(self._statuses)

    def wait_for_news(self, names: Iterable[str], since_s: float, timeout_s: float) -> bool:
        """Wait until each of `names` has reported after the monotonic time `since_s`; False at the timeout."""
        names, deadline = list(names), time.monotonic() + timeout_s
        while True:
            statuses = self.snapshot()
            if all(name in statuses and statuses[name].at_s > since_s for name in names):
                return True
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
