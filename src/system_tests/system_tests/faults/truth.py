"""Ground truth of the simulated robots' motion: reads the shared-memory world 200 times a second."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque

import numpy as np

from contracts.station import Station
from simulation.scene import ACTUATION, HAND_JOINT_DAMPING, mounted
from simulation.shared_world import SharedWorldReader, WorldError
from system_tests.faults.motion import Track, commanded

PERIOD_S = 0.005
KEPT = 12000  # samples: a minute
# Velocities below which a joint counts as at rest, rad/s and m/s. A finger that holds an object yields for a while.
REST = {"arm": 0.05, "hand": 0.2, "gripper": 0.01}


class Truth:
    """Records all J joints of a station's world from `start` to `close`, in its own thread.

    Attributes:
        names: Names, in the order of the station's sides, arm before hand.
        rest: Velocities (J,) below which a joint counts as at rest.
        acceleration: Acceleration limits (J,).
        lag_s: Time constants of the simulated servos (J,), s.
        turning: Whether a joint rotates (J,).
    """

    def __init__(self, station: Station) -> None:
        sides = mounted(station)
        robots = {f"{side}/{part}": getattr(of, part) for side, of in sides.items() for part in ("arm", "hand")}
        self.names = tuple(f"{part} {joint}" for part, robot in robots.items() for joint in robot.joints)
        self.acceleration = np.concatenate([robot.acceleration for robot in robots.values()])  # limits (J,)
        kinds = np.concatenate([np.full(len(robot.joints), robot.kind) for robot in robots.values()])
        self.rest, self.turning = np.array([REST[kind] for kind in kinds]), kinds != "gripper"
        friction = {"hand": HAND_JOINT_DAMPING}
        lags = {kind: (one.damping + friction.get(kind, 0.0)) / one.stiffness for kind, one in ACTUATION.items()}
        self.lag_s = np.array([lags[kind] for kind in kinds])
        self._view = SharedWorldReader(station.simulation.port)
        self._samples: deque[tuple[float, np.ndarray]] = deque(maxlen=KEPT)
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="truth", daemon=True)

    def start(self) -> None:
        """Begin to record."""
        self._thread.start()

    def close(self) -> None:
        """End it."""
        self._end.set()
        self._thread.join(2.0)

    def tracks(self) -> tuple[Track, Track]:
        """All that is kept: what the robots did, and what they were commanded to do, past all drivers and wires."""
        samples = list(self._samples)
        times = np.array([at for at, _ in samples])
        velocities, targets = np.array([values for _, values in samples]).reshape(len(samples), 2, -1).swapaxes(0, 1)
        return Track(times, velocities, self.rest), commanded(times, targets, self.rest)

    def speed(self) -> float:
        """The fastest joint now, as a multiple of the speed at rest; 0 before the first answer."""
        if not self._samples:
            return 0.0
        velocities = self._samples[-1][1][: len(self.rest)]
        return float((np.abs(velocities) / self.rest).max())

    def _run(self) -> None:
        while not self._end.wait(PERIOD_S):
            with contextlib.suppress(WorldError):  # a lost world has no motion; the record has a gap then
                _, velocities, _, targets = self._view.robots()
                self._samples.append((time.monotonic(), np.concatenate([velocities, targets])))
