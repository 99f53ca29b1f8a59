"""Child processes that are monitored, stopped in order and never orphaned. Without ROS.

Each child leads its own process group, so that a Ctrl-C in the terminal reaches the supervisor alone, and a group can
be ended as a whole. The kernel sends a child SIGTERM when its parent has ended (PR_SET_PDEATHSIG), even by SIGKILL: a
driver brakes then, and a recorder closes its bag.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PR_SET_PDEATHSIG = 1
WATCH_PERIOD_S = 0.05
TAIL_BYTES = 8192
_EXIT_CODE = 49  # in /proc/PID/stat after the name, see proc(5)
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Exit:
    """The end of a process: `code` is the exit status, negative for a signal."""

    name: str
    code: int

    @property
    def cause(self) -> str:
        """The exit status or signal in words."""
        if self.code >= 0:
            return f"ended with exit status {self.code}"
        try:
            return f"was killed by {signal.Signals(-self.code).name}"
        except ValueError:
            return f"was killed by signal {-self.code}"

    def __str__(self) -> str:
        return f"{self.name} {self.cause}"


def _end_with_parent(parent: int) -> Callable[[], None]:
    def prepare() -> None:
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # the parent died before the line above
            os._exit(1)

    return prepare


class Processes:
    """Starts, monitors and stops named children; the thread that starts them must outlive them."""

    def __init__(self, on_death: Callable[[Exit], None]) -> None:
        self._on_death = on_death
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._stopping: set[str] = set()
        self._ended: dict[str, Exit] = {}
        self._lock = threading.RLock()  # a signal handler may ask while the same thread holds it
        self._closed = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="process-watcher", daemon=True)
        self._watcher.start()

    def start(
        self,
        name: str,
        argv: Sequence[str],
        log: Path,
        env: Mapping[str, str],
    ) -> None:
        """Start a process.

        Args:
            name: Name of the process.
            argv: The command.
            log: File to which its output is appended.
            env: Its environment.

        Raises:
            OSError: If it cannot be started.
        """
        with log.open("ab") as output:
            child = subprocess.Popen(
                list(argv),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(env),
                start_new_session=True,
                preexec_fn=_end_with_parent(os.getpid()),
            )
        with self._lock:
            self._children[name] = child

    def running(self) -> dict[str, int]:
        """Process id (and process group id) of every running child by name."""
        with self._lock:
            return {name: child.pid for name, child in self._children.items() if name not in self._ended}

    def _watch(self) -> None:
        while not self._closed.wait(WATCH_PERIOD_S):
            self._reap()

    def _reap(self) -> None:
        for name, pid in self.running().items():
            code = _exit_code(pid)
            if code is None:
                continue
            # Not reaped yet, so the id still belongs to this group: end what is left of it.
            _signal_group(pid, signal.SIGKILL)
            self._note(Exit(name, code))

    def _note(self, end: Exit) -> None:
        name = end.name
        with self._lock:
            if name in self._ended:
                return
            self._ended[name] = end
            expected = name in self._stopping
        if not expected:
            self._on_death(end)

    def stop(self, names: Iterable[str], grace_s: float) -> list[str]:
        """Send SIGTERM to `names`, and SIGKILL to those that run after `grace_s`; returns the names of the latter."""
        with self._lock:
            self._stopping.update(names := [name for name in names if name in self._children])
        groups = {name: pid for name, pid in self.running().items() if name in names}
        for pid in groups.values():
            _signal_group(pid, signal.SIGTERM)
        if self._wait_for(groups, grace_s):
            return []
        late = [name for name in groups if name in self.running()]
        for name in late:
            _signal_group(groups[name], signal.SIGKILL)
        self._wait_for(groups, grace_s)
        return late

    def _wait_for(self, names: Iterable[str], timeout_s: float) -> bool:
        deadline = time.monotonic() + timeout_s
        while not self.running().keys().isdisjoint(names):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.005)
        return True

    def close(self, grace_s: float = 2.0) -> list[str]:
        """End all children and the monitoring; waits for the end of their threads, at most `grace_s`."""
        killed = self.stop(list(self._children), grace_s)
        self._closed.set()
        self._watcher.join()
        deadline = time.monotonic() + grace_s
        for child in self._children.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(max(0.0, deadline - time.monotonic()))
        return killed


def _exit_code(pid: int) -> int | None:
    """Exit code of a child that has ended and is not reaped; None while it runs.

    The state of its main thread counts: waiting for the child would take until its last thread has ended, and threads
    of the lowest priority, which OpenGL drivers have, take seconds to end under load.
    """
    with open(f"/proc/{pid}/stat", "rb", buffering=0) as file:  # 50 times a second for every child
        stat = file.read().rpartition(b")")[2].split()
    return os.waitstatus_to_exitcode(int(stat[_EXIT_CODE])) if stat[0] in (b"Z", b"X") else None


def _signal_group(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def tail(log: Path, lines: int = 8) -> list[str]:
    """The last non-empty lines of a log file, at most TAIL_BYTES of it; empty if there is no file."""
    try:
        with log.open("rb") as stream:
            stream.seek(max(0, log.stat().st_size - TAIL_BYTES))
            text = stream.read().decode("utf-8", "replace")
    except OSError:
        return []
    return [line for line in text.splitlines() if line.strip()][-lines:]
