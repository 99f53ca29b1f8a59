"""Ground truth of the simulated robots' motion: what the simulated world was, whatever topics say."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from contracts.station import Station
from simulation.scene import ACTUATION, HAND_JOINT_DAMPING, mounted
from system_tests.faults import motion
from system_tests.faults.motion import Track, commanded
from system_tests.faults.world_record import WorldRecord

# Velocities below which a joint counts as at rest, rad/s and m/s. A finger that holds an object yields for a while.
REST = {"arm": 0.05, "hand": 0.2, "gripper": 0.01}
# Distances from its target at which a finger presses on an object, rad and m, once its servo had time to follow.
PRESSES = {"arm": np.inf, "hand": 0.1, "gripper": 0.005}


class Truth:
    """The motion of all J joints of a station's world, recorded from `start` to `close`.

    Attributes:
        names: Names, in the order of the station's sides, arm before hand.
        rest: Velocities (J,) below which a joint counts as at rest.
        velocity: Velocity limits (J,).
        acceleration: Acceleration limits (J,).
        lag_s: Time constants of the simulated servos (J,), s.
        turning: Whether a joint rotates (J,).
    """

    def __init__(self, station: Station) -> None:
        sides = mounted(station)
        robots = {f"{side}/{part}": getattr(of, part) for side, of in sides.items() for part in ("arm", "hand")}
        self.names = tuple(f"{part} {joint}" for part, robot in robots.items() for joint in robot.joints)
        self.velocity = np.concatenate([robot.velocity for robot in robots.values()])
        self.acceleration = np.concatenate([robot.acceleration for robot in robots.values()])
        kinds = np.concatenate([np.full(len(robot.joints), robot.kind) for robot in robots.values()])
        self.rest, self.turning = np.array([REST[kind] for kind in kinds]), kinds != "gripper"
        self._presses = np.array([PRESSES[kind] for kind in kinds])
        friction = {"hand": HAND_JOINT_DAMPING}
        lags = {kind: (one.damping + friction.get(kind, 0.0)) / one.stiffness for kind, one in ACTUATION.items()}
        self.lag_s = np.array([lags[kind] for kind in kinds])
        self._record = WorldRecord(station.simulation.port)

    def start(self) -> None:
        """Begin to record."""
        self._record.start()

    def close(self) -> None:
        """End it."""
        self._record.close()

    def tracks(self) -> tuple[Track, Track]:
        """All that is kept: what the robots did, and what they were commanded to do, past all drivers and wires."""
        times, (positions, velocities, _, targets) = self._record.samples()
        return Track(times, velocities, self.rest), commanded(times, positions, targets, self.rest)

    def excess(self) -> Track:
        """Speeds as multiples of `motion.excess`, zero where a joint moves against the effort of its servo.

        A body in contact with a finger moves it faster than any command; that is no fault of a command. The effort of a
        sample is that before its step, so that of the next one decides, too.
        """
        return self._excess(*self._record.samples())

    def _excess(self, times: np.ndarray, quantities: np.ndarray) -> Track:
        positions, velocities, efforts, targets = quantities
        driven = motion.driven(velocities, efforts)
        return Track(times, motion.excess(driven, targets - positions, self.velocity, self.lag_s), self.rest)

    def pressing(self, rest_s: float) -> np.ndarray:
        """The fingers (J,) bool that press on an object after the commands came to rest: they move as it yields."""
        times, (positions, _, _, targets) = self._record.samples()
        return motion.held_off(times, targets - positions, rest_s, self.lag_s, self._presses)

    def save(self, file: Path) -> None:
        """Write what is kept as arrays into an .npz file.

        `times` (T,), monotonic, s; `names` (J,); `positions`, `velocities`, `efforts`, `targets` and `excess` (T, J).
        """
        times, values = self._record.samples()
        quantities = dict(zip(("positions", "velocities", "efforts", "targets"), values, strict=True))
        excess = self._excess(times, values).velocities
        np.savez_compressed(file, times=times, names=self.names, excess=excess, **quantities)

    def position(self, joint: str) -> float:
        """The newest position of a joint, rad or m."""
        return float(self._record.newest()[0, self.names.index(joint)])

    def speed(self) -> float:
        """The fastest joint now, as a multiple of the speed at rest."""
        return float((np.abs(self._record.newest()[1]) / self.rest).max())
