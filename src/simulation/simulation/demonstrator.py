"""Scripted demonstrations: from the simulated state to a path of grasp-frame poses and hand postures, for any hand.

The path is the same for every hand because it moves the hand's grasp frame, and a posture is only a name; what
differs between hands (where that frame sits, which joints a posture means) is embodiment data.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from simulation.task import PickPlace
from simulation.world import World

CRUISE_M_PER_S = 0.30
SHORTEST_MOVE_S = 0.35
CLOSE_S = 0.45
SETTLE_S = 0.25
LIFT_M = 0.10
GRASP_HEIGHT_M = 0.065
STANDOFF_M = 0.11


@dataclass(frozen=True)
class Waypoint:
    """Be at `pose` (4x4, station <- grasp frame) with the hand in `posture` (n,), `duration_s` after the last one."""

    duration_s: float
    pose: np.ndarray
    posture: np.ndarray


@dataclass(frozen=True)
class Path:
    """Waypoints joined by minimum-jerk motions; starts at ``waypoints[0]``, whose duration is a wait."""

    waypoints: Sequence[Waypoint]

    @property
    def duration_s(self) -> float:
        return sum(point.duration_s for point in self.waypoints)

    def sample(self, time_s: float) -> tuple[np.ndarray, np.ndarray]:
        """(pose 4x4, posture (n,)) at `time_s`; holds the ends outside the path."""
        previous, elapsed = self.waypoints[0], self.waypoints[0].duration_s
        for point in self.waypoints[1:]:
            if time_s < elapsed + point.duration_s:
                return _between(previous, point, max(0.0, time_s - elapsed) / point.duration_s)
            previous, elapsed = point, elapsed + point.duration_s
        return previous.pose, previous.posture


def demonstrate(world: World, task: PickPlace, side: str, start: np.ndarray, rng: np.random.Generator) -> Path:
    """The path that takes the can from where it stands now to the tray. `start`: grasp frame now (4x4).

    Detours are random on purpose: a policy that only ever saw perfect approaches cannot correct its own.
    """
    hand = world.sides[side].hand
    opened, ready, closed = (hand.postures[name] for name in ("open", "pregrasp", "grasp"))
    can, _ = world.body_pose(task.can(side))
    can[2] = GRASP_HEIGHT_M
    tray = task.tray_centre(side) + [0, 0, GRASP_HEIGHT_M + 0.004]
    back, up = np.array([-STANDOFF_M, 0, 0]), np.array([0, 0, LIFT_M])
    aside = rng.uniform([-0.03, -0.03, -0.01], [0.02, 0.03, 0.03])
    home = upright(start[:3, 3] + rng.uniform(-0.02, 0.02, 3))
    moves = [
        (upright(can + back + aside), ready),
        (upright(can), ready),
        (upright(can), closed),
        (upright(can + up), closed),
        (upright(tray + up), closed),
        (upright(tray), closed),
        (upright(tray), ready),
        (upright(tray + back + rng.uniform(-0.02, 0.02, 3) * [1, 1, 0]), ready),
        (home, opened),
    ]
    return Path(_timed(Waypoint(rng.uniform(0.05, 0.8), start, opened), moves))


def upright(position: np.ndarray) -> np.ndarray:
    """(4, 4) grasp-frame pose at `position` with x forward and z up."""
    pose = np.eye(4)
    pose[:3, 3] = position
    return pose


def _timed(first: Waypoint, moves: Sequence[tuple[np.ndarray, np.ndarray]]) -> list[Waypoint]:
    """Give every move the time its distance needs; a hand that closes or opens on the spot gets its own."""
    points = [first]
    for pose, posture in moves:
        distance = float(np.linalg.norm(pose[:3, 3] - points[-1].pose[:3, 3]))
        duration = max(SHORTEST_MOVE_S, distance / CRUISE_M_PER_S)
        if distance < 1e-6:
            points.append(Waypoint(CLOSE_S, pose, posture))
            duration = SETTLE_S
        points.append(Waypoint(duration, pose, posture))
    return points


def _between(start: Waypoint, end: Waypoint, fraction: float) -> tuple[np.ndarray, np.ndarray]:
    """Minimum-jerk interpolation of position and posture; rotation along the geodesic."""
    s = fraction**3 * (10 - 15 * fraction + 6 * fraction**2)
    pose = np.eye(4)
    pose[:3, 3] = (1 - s) * start.pose[:3, 3] + s * end.pose[:3, 3]
    pose[:3, :3] = start.pose[:3, :3] @ _rotate(start.pose[:3, :3].T @ end.pose[:3, :3], s)
    return pose, (1 - s) * start.posture + s * end.posture


def _rotate(rotation: np.ndarray, fraction: float) -> np.ndarray:
    """The `fraction` of a rotation matrix (3, 3), by axis and angle (Rodrigues)."""
    angle = np.arccos(np.clip((np.trace(rotation) - 1) / 2, -1.0, 1.0))
    if angle < 1e-9:
        return np.eye(3)
    skew = (rotation - rotation.T) / (2 * np.sin(angle))
    turned = fraction * angle
    return np.eye(3) + np.sin(turned) * skew + (1 - np.cos(turned)) * (skew @ skew)
