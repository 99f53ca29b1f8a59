"""A record of the simulated world, written 200 times a second by a process of its own.

The bench publishes with the interpreter lock held, and Fast DDS blocks it for a second where a frozen process holds a
lock of its shared memory: a thread of the bench would miss what the robots do meanwhile.

`python -m system_tests.faults.world_record PORT FD` writes into an open file until its standard input is closed.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import select
import subprocess
import sys
import time

import numpy as np

from node_kit.scheduling import prompt
from simulation.shared_world import SharedWorldReader, WorldError

PERIOD_S = 0.005
KEPT = 12000  # samples: a minute
START_S = 10.0
_QUANTITIES = 4  # position, velocity, effort, target
_MARGIN = 20  # oldest samples that may be overwritten while the others are read
_END_S = 2.0


class WorldRecord:
    """The record of a world's J joints, from `start` to `close`.

    Args:
        port: Port of the world.

    Raises:
        WorldError: If none runs there.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._joints = SharedWorldReader(port).description.joints
        self._memory = os.memfd_create("world")
        os.ftruncate(self._memory, 8 * (KEPT + 1) * _row(self._joints))
        self._ring = _ring(self._memory, self._joints)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Begin, and wait for the first sample.

        Raises:
            WorldError: If there is none within START_S.
        """
        argv = [sys.executable, "-m", __spec__.name, str(self._port), str(self._memory)]
        self._process = subprocess.Popen(argv, stdin=subprocess.PIPE, pass_fds=[self._memory])
        deadline = time.monotonic() + START_S
        while not self._count():
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise WorldError(f"the record of the simulated world {self._port} did not begin")
            time.sleep(PERIOD_S)

    def close(self) -> None:
        """End it; the samples remain."""
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.communicate(timeout=_END_S)
            self._process.kill()
            self._process.wait()
            self._process = None
            os.close(self._memory)

    def samples(self) -> tuple[np.ndarray, np.ndarray]:
        """Times (T,), monotonic, s, and position, velocity, effort and target (4, T, J); T = 0 before the start."""
        count = self._count()
        kept = np.arange(max(0, count - KEPT + _MARGIN), count)
        rows = self._ring[kept % KEPT]
        return rows[:, 0], rows[:, 1:].reshape(len(kept), _QUANTITIES, self._joints).swapaxes(0, 1)

    def newest(self) -> np.ndarray:
        """Position, velocity, effort and target (4, J) of the newest sample, zero before the start."""
        return self._ring[(self._count() - 1) % KEPT, 1:].reshape(_QUANTITIES, self._joints).copy()

    def _count(self) -> int:
        return int(self._ring[KEPT, 0])


def _row(joints: int) -> int:
    return 1 + _QUANTITIES * joints


def _ring(file: int, joints: int) -> np.ndarray:
    """The samples, in each row the time and the world; below them the count of all so far."""
    return np.frombuffer(mmap.mmap(file, 0), float).reshape(KEPT + 1, _row(joints))


def main() -> int:
    """Write until standard input is closed."""
    prompt()
    view = SharedWorldReader(int(sys.argv[1]))
    ring = _ring(int(sys.argv[2]), view.description.joints)
    count = 0
    while not select.select([sys.stdin], [], [], PERIOD_S)[0]:
        with contextlib.suppress(WorldError):  # a lost world has no motion; the record has a gap then
            ring[count % KEPT] = np.concatenate([[time.monotonic()], view.robots().ravel()])
            count += 1
            ring[KEPT, 0] = count
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
