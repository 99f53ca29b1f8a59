"""For wires whose responses carry no number: a late response is discarded, not taken for that to the next request."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

QUIET_S = 0.01  # time without a byte after which a response is over


class LateResponses:
    """The response to the last request that is still outstanding.

    Args:
        read: Returns the bytes received within so many s, as soon as there are any; none if there are none.
        wait_s: Longest wait for an outstanding response, s.
        clock: A monotonic clock, s.
    """

    def __init__(
        self, read: Callable[[float], bytes], wait_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._read, self._wait_s, self._clock = read, wait_s, clock
        self._outstanding = False

    @contextlib.contextmanager
    def asking(self) -> Iterator[None]:
        """Around one request and its response: an exception leaves the response outstanding."""
        if self._outstanding:
            self._discard()
        self._outstanding = True
        yield
        self._outstanding = False

    def _discard(self) -> None:
        """Wait for the response and for its last byte."""
        deadline, wait_s = self._clock() + self._wait_s, self._wait_s
        while (left := min(wait_s, deadline - self._clock())) > 0 and self._read(left):
            wait_s = QUIET_S
