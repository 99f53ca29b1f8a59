"""Reads a camera in one thread, monitors it in another, and reopens it when it is lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from camera_node.monitor import FrameMonitor, State
from camera_node.source import Frame, Source, SourceEnded

FIRST_BACKOFF_S, LAST_BACKOFF_S = 0.5, 8.0
JOIN_S = 2.0
IDLE_S = 0.2
START_S = 10.0  # limit for the first frame: a RealSense takes seconds after a reset, a world to render takes as long


class Capture:
    """Reads a source, reports its new frames and its state, and reopens it with back-off when it is lost.

    A camera is lost from a failure, or from START_S without a first frame, until the next frame.

    Args:
        source: The camera.
        monitor: Distinguishes new frames from repeated ones.
        on_frame: Called with each new frame, in the reading thread.
        on_change: Called after a change of state or fault, in either thread.
        reopen_after_s: Time without a new frame after which the camera is reopened, s. None: it is never reopened, and
            a failure is final.
    """

    def __init__(
        self,
        source: Source,
        monitor: FrameMonitor,
        on_frame: Callable[[Frame], None],
        on_change: Callable[[], None],
        reopen_after_s: float | None = 2.0,
    ) -> None:
        self._source, self._monitor = source, monitor
        self._on_frame, self._on_change = on_frame, on_change
        self._reopen_after_s = reopen_after_s
        self._lock = threading.Lock()  # guards the monitor and the fields below
        self._problem = ""
        self._ended = False
        self._notified = ("", "")
        self._began_s = 0.0
        self._notifying = threading.Lock()
        self.frames = self.repeated = self.opened = 0
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._threads = [threading.Thread(target=f, daemon=True, name=f.__name__) for f in (self._read, self._watch)]

    def start(self) -> None:
        """Start both threads."""
        self._began_s = time.monotonic()
        for thread in self._threads:
            thread.start()

    def stop(self) -> bool:
        """Stop both threads; no callback is called afterwards.

        Returns:
            False if the source hangs: its thread is then abandoned.
        """
        self._stop.set()
        self._wake.set()
        deadline = time.monotonic() + JOIN_S
        started = [thread for thread in self._threads if thread.ident is not None]
        for thread in started:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in started)

    @property
    def problem(self) -> str:
        """Why the camera is lost; empty after the next frame."""
        return self._problem

    @property
    def rate_hz(self) -> float:
        """Measured frames per second."""
        with self._lock:
            return self._monitor.rate_hz

    @property
    def state(self) -> str:
        """One of starting, streaming, stopped, frozen, lost (and being reopened), ended."""
        if self._ended:
            return "ended"
        if self._problem:
            return "lost"
        with self._lock:
            return str(self._monitor.state(time.monotonic()))

    def _read(self) -> None:
        pause = FIRST_BACKOFF_S
        while not self._stop.is_set():
            before = self.frames
            self._session()
            self._notify()
            if self._ended or self._reopen_after_s is None:
                return
            pause = FIRST_BACKOFF_S if self.frames > before else pause
            self._stop.wait(pause)
            pause = min(2 * pause, LAST_BACKOFF_S)

    def _session(self) -> None:
        """Open, read until a failure, close."""
        try:
            self._source.open()
            self.opened += 1
            with self._lock:
                self._monitor.restart()
            self._stream()
        except SourceEnded:
            self._ended = True
        except Exception as error:  # drivers raise exceptions of any type; the camera is then lost and reopened
            self._problem = " ".join(str(error).split()) or type(error).__name__
        finally:
            self._close()

    def _stream(self) -> None:
        fresh = time.monotonic()
        while not self._stop.is_set():
            frame = self._source.read()
            now = time.monotonic()
            if frame is not None and self._take(frame, now):
                fresh = now
            elif self._reopen_after_s is not None and now - fresh > self._reopen_after_s:
                self._problem = f"no new frame for {self._reopen_after_s:g} s"
                return

    def _take(self, frame: Frame, now: float) -> bool:
        if self._stop.is_set():  # a read that hung may return after `stop`
            return False
        with self._lock:
            new = self._monitor.accept(frame, now)
        if not new:
            self.repeated += 1
            return False
        self._on_frame(frame)
        self.frames += 1
        self._problem = ""
        self._wake.set()
        return True

    def _close(self) -> None:
        try:
            self._source.close()
        except Exception as error:  # closing a lost camera may fail too
            self._problem = self._problem or " ".join(str(error).split()) or type(error).__name__

    def _watch(self) -> None:
        """Wait until the next frame is overdue; a frame in time sets the next deadline."""
        while not self._stop.is_set():
            with self._lock:
                overdue = self._monitor.overdue_s
                if overdue is None and time.monotonic() - self._began_s > START_S:
                    self._problem = self._problem or f"no frame in {START_S:g} s"
            left = IDLE_S if overdue is None else overdue - time.monotonic()
            self._wake.wait(left if left > 0 else IDLE_S)
            self._wake.clear()
            self._notify()

    def _notify(self) -> None:
        """Report a change of state or fault once."""
        with self._notifying:
            now = (self.state, self._problem)
            if now != self._notified and now[0] != State.STARTING.value and not self._stop.is_set():
                self._notified = now
                self._on_change()
