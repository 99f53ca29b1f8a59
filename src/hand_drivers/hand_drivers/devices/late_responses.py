"""For wires whose responses carry no number: a late response is discarded, not taken for that to a later request."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator

from hand_drivers.device import DeviceError

QUIET_S = 0.01  # time without a byte after which a response is over
DOUBT = 25  # waits after a request without response, in which its response may still come
FADING = 0.99  # of the usual time to a response, with each response: one slow one must not count for ever


class LateResponses:
    """The responses that are outstanding, of a device that responds to one request after the other.

    A request without response is waited for once more. Should that be in vain, too, nothing is known: the response may
    be lost, or come during a later request. For a while, a response then counts only if silence follows it; else one of
    the two is late, and both are discarded. So it is with the first response of a connection: one before it may
    have left requests, whose responses are still to come.

    Args:
        read: Returns the bytes received within so many s, as soon as there are any; none if there are none.
        wait_s: Longest wait for an outstanding response, s.
        clock: A monotonic clock, s.

    Attributes:
        answered_ns: When the last response had been received, ns since the epoch.
    """

    def __init__(
        self, read: Callable[[float], bytes], wait_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._read, self._wait_s, self._clock = read, wait_s, clock
        self._outstanding = False
        self._doubted_until = math.inf  # until the first response
        self._usual_s: float | None = None  # longest time to a response lately; None before the first
        self.answered_ns = 0

    @contextlib.contextmanager
    def asking(self) -> Iterator[None]:
        """Around one request and its response: an exception leaves the response outstanding.

        Raises:
            DeviceError: The response may be that to an earlier request.
        """
        if self._outstanding:
            self._doubted_until = self._clock() + DOUBT * self._wait_s
            self._discard(self._wait_s)
        elif self._doubted():
            self._discard(0.0)
        self._outstanding, asked = True, self._clock()
        yield
        took_s = self._clock() - asked
        self._outstanding, self.answered_ns = False, time.time_ns()
        if self._doubted() and self._discard(self._silence_s()):
            raise DeviceError("a late response")
        self._usual_s = max(took_s, FADING * (self._usual_s or 0.0))
        if self._doubted_until == math.inf:
            self._doubted_until = self._clock()

    def _silence_s(self) -> float:
        """Time in which the own response would follow a late one."""
        return self._wait_s if self._usual_s is None else min(self._wait_s, max(QUIET_S, 2 * self._usual_s))

    def _doubted(self) -> bool:
        return self._clock() < self._doubted_until

    def _discard(self, wait_s: float) -> bool:
        """Wait for a response and for its last byte; returns whether there was any."""
        deadline, found = self._clock() + max(self._wait_s, wait_s), False
        while self._clock() < deadline and self._read(min(wait_s, deadline - self._clock())):
            wait_s, found = QUIET_S, True
        return found
