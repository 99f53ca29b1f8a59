"""A thread that steps the physics at absolute deadlines, reads the robots' targets and writes their states."""

from __future__ import annotations

import threading
import time

from node_kit.scheduling import precise_timers
from simulation.shared_world import Description, SharedWorldWriter
from simulation.trials import Trials
from simulation.world import World

TICK_S = 0.002
CHECK_EVERY = 25  # ticks between checks of the task: 20 Hz
LONGEST_LAG_S = 0.25  # a longer lag is skipped, which lowers the real-time factor


class RealTime:
    """Runs a world in real time, in the shared memory of a port.

    Raises:
        WorldError: If another world runs at the port.
    """

    def __init__(self, world: World, trials: Trials, port: int) -> None:
        self._world, self._rounds = world, trials
        joints = {name: part.joints for name, part in world.parts.items()}
        self._shared = SharedWorldWriter(Description(parts=joints, coordinates=world.model.nq), port)
        self._thread: threading.Thread | None = None
        self._end = threading.Event()
        self._started_s = self._simulated_s = 0.0

    @property
    def factor(self) -> float:
        """Real-time factor since the start: simulated over real time."""
        elapsed = time.monotonic() - self._started_s
        return self._simulated_s / elapsed if self._started_s and elapsed > 0.5 else 1.0

    @property
    def running(self) -> bool:
        """Whether the physics is stepped; False after an error in the thread."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Start a round and the physics."""
        self._end.clear()
        self._rounds.begin()
        self._write_state()
        self._thread = threading.Thread(target=self._run, name="physics", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop the physics; the world keeps its state and its port until `close`."""
        self._end.set()
        if self._thread is not None:
            self._thread.join(timeout=2.0)

    def close(self) -> None:
        """Stop and release the port."""
        self.stop()
        self._shared.close()

    def _run(self) -> None:
        precise_timers()
        steps = round(TICK_S / self._world.model.opt.timestep)
        self._started_s = deadline = time.monotonic()
        ticks = 0
        while not self._end.is_set():
            now = time.monotonic()
            deadline = max(deadline + TICK_S, now - LONGEST_LAG_S)
            time.sleep(max(deadline - now, 0.0))
            for part, target in self._shared.new_targets().items():
                self._world.write(part, target)
            self._world.step(steps)
            self._write_state()
            self._simulated_s += TICK_S
            ticks += 1
            if ticks % CHECK_EVERY == 0:
                self._rounds.advance()

    def _write_state(self) -> None:
        self._shared.write_state(time.time_ns(), self._world.robots(), self._world.data.qpos)
