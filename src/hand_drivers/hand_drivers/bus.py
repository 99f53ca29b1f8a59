"""A slow wire in a thread of its own, so that a hand on RS-485 never keeps a servo loop waiting."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import numpy as np

from hand_drivers.device import DeviceError, JointSample

JOIN_S = 1.0  # a thread that hangs in its vendor's library longer than this is left behind
Exchange = Callable[[np.ndarray | None], JointSample]


class Bus:
    """Calls `exchange(target)` over and over: the newest target goes out, None when there is no new one; the newest
    measurement comes in.

    `name` is for errors. An answer older than `max_age_s` is none. What `exchange` raises ends up in `read`.
    """

    def __init__(self, name: str, exchange: Exchange, max_age_s: float) -> None:
        self._name, self._exchange, self._max_age_s = name, exchange, max_age_s
        self._lock, self._end = threading.Lock(), threading.Event()
        self._target: np.ndarray | None = None
        self._answer: tuple[float, JointSample] | None = None  # monotonic time, sample
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name=f"bus {name}", daemon=True)

    def start(self, timeout_s: float) -> None:
        """Start asking, and wait for the first answer. Raises DeviceError when there is none in time."""
        self._thread.start()
        deadline = time.monotonic() + timeout_s
        while self._answer is None and self._thread.is_alive() and time.monotonic() < deadline:
            time.sleep(0.002)
        if self._answer is None:
            self.stop()
            raise DeviceError(f"{self._name}: {self._error or f'no answer in {timeout_s:g} s'}")

    def read(self) -> JointSample:
        """The newest measurement. Raises DeviceError when it is too old."""
        with self._lock:
            answer, error = self._answer, self._error
        age_s = time.monotonic() - answer[0] if answer else np.inf
        if answer is None or age_s > self._max_age_s:
            raise DeviceError(f"{self._name}: {error or f'no answer for {age_s:.2f} s'}")
        return answer[1]

    def write(self, target: np.ndarray) -> None:
        """Replace the target that goes out next."""
        with self._lock:
            self._target = np.array(target, dtype=float)

    def stop(self) -> None:
        """End the thread, after the target that waits has gone out."""
        self._end.set()
        if self._thread.is_alive():
            self._thread.join(JOIN_S)

    def _run(self) -> None:
        while True:
            ending = self._end.is_set()
            with self._lock:
                target, self._target = self._target, None
            if ending and target is None:
                return
            try:
                sample = self._exchange(target)
            except Exception as error:  # of any vendor's library; `read` tells it to the driver
                with self._lock:
                    self._error = error
                    self._target = target if self._target is None else self._target  # it may not have arrived
                if ending or self._end.wait(0.01):
                    return
            else:
                with self._lock:
                    self._answer, self._error = (time.monotonic(), sample), None
