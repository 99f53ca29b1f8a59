"""Scripted demonstrations: from the simulated state to a path of grasp-frame poses and hand postures, for any hand.

The path is the same for every hand because it moves the hand's grasp frame, and a posture is only a name; what
differs between hands (where that frame sits, which joints a posture means) is embodiment data.

A path has no waits. All observations during a wait are alike, so a policy that observes one would wait forever. Fingers
therefore close and open at a constant speed, and the arm moves on when their command has reached its end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from simulation.tasks.pick_place import PickPlace
from simulation.world import World

CRUISE_M_PER_S = 0.30
SHORTEST_MOVE_S = 0.35
FINGERS_S = 0.50
LIFT_M = 0.10
GRASP_HEIGHT_M = 0.065
STANDOFF_M = 0.11
CLEAR_HEIGHT_M = 0.20  # of a grasp frame: from here on up, no finger reaches an object


@dataclass(frozen=True)
class Waypoint:
    """A `pose` (4, 4), station <- grasp frame, and hand `posture` (n,), `duration_s` after the previous one."""

    duration_s: float
    pose: np.ndarray
    posture: np.ndarray


@dataclass(frozen=True)
class Path:
    """Waypoints joined by minimum-jerk motions; starts at ``waypoints[0]``, whose duration is a wait."""

    waypoints: Sequence[Waypoint]

    @property
    def duration_s(self) -> float:
        """Duration of the path."""
        return sum(point.duration_s for point in self.waypoints)

    def sample(self, time_s: float) -> tuple[np.ndarray, np.ndarray]:
        """Pose (4, 4) and posture (n,) at `time_s`; before and after the path, those of its ends."""
        previous, elapsed = self.waypoints[0], self.waypoints[0].duration_s
        for point in self.waypoints[1:]:
            if time_s < elapsed + point.duration_s:
                return _between(previous, point, max(0.0, time_s - elapsed) / point.duration_s)
            previous, elapsed = point, elapsed + point.duration_s
        return previous.pose, previous.posture


def demonstrate(
    world: World, task: PickPlace, side: str, start: Waypoint, home: np.ndarray, rng: np.random.Generator
) -> Path:
    """A path that brings the can to its tray, unless it is there, and the hand home.

    Approaches are randomised: a policy trained on perfect approaches alone cannot correct its errors.

    Args:
        world: The world in its present state.
        task: The task.
        side: "left" or "right".
        start: Where the hand is.
        home: Position of the grasp frame at the end (3,), m, station frame.
        rng: The random numbers.
    """
    hand = world.sides[side].hand
    opened, ready, closed = (hand.postures[name] for name in ("open", "pregrasp", "grasp"))
    can, _ = world.body_pose(task.can(side))
    tray = task.tray_centre(side) + np.array([0, 0, GRASP_HEIGHT_M + 0.004])
    placed = np.abs((can - tray)[:2]).max() < task.tray_half_m
    can[2] = GRASP_HEIGHT_M
    back, up = np.array([-STANDOFF_M, 0, 0]), np.array([0, 0, LIFT_M])
    out = np.minimum(start.pose[:3, 3], [(can + back)[0], np.inf, np.inf])
    among_objects = start.pose[2, 3] < CLEAR_HEIGHT_M and out[0] < start.pose[0, 3]
    moves: list[tuple[np.ndarray, np.ndarray]] = [(upright(out), ready)] if among_objects else []
    if not placed:
        aside = rng.uniform([-0.03, -0.03, -0.01], [0.02, 0.03, 0.03])
        moves += [
            (upright(can + back + aside), ready),
            (upright(can), ready),
            (upright(can), closed),
            (upright(can + up), closed),
            (upright(tray + up), closed),
            (upright(tray), closed),
            (upright(tray), ready),
            (upright(tray + back + rng.uniform(-0.02, 0.02, 3) * [1, 1, 0]), ready),
        ]
    return Path(_timed(start, [*moves, (upright(home + rng.uniform(-0.02, 0.02, 3)), opened)]))


def astray(world: World, task: PickPlace, side: str, rng: np.random.Generator) -> Waypoint:
    """A random start as after a failure: anywhere without contact with the can, closed by any amount.

    A policy trained on successful picks alone could not recover from a failure.
    """
    can, tray = world.body_pose(task.can(side))[0], task.tray_centre(side)
    position = rng.uniform([0.34, 0.20, GRASP_HEIGHT_M + 0.004], [0.52, 0.54, 0.25]) * [1, np.sign(tray[1]), 1]
    if np.abs(position - can)[1] < STANDOFF_M and position[2] < CLEAR_HEIGHT_M:
        position[0] = min(position[0], can[0] - STANDOFF_M)
    postures = world.sides[side].hand.postures
    closing = np.array([postures[name] for name in ("open", "pregrasp", "grasp")])
    share = rng.uniform(0, 2)
    return Waypoint(0.0, upright(position), np.array([np.interp(share, range(3), joint) for joint in closing.T]))


def upright(position: np.ndarray) -> np.ndarray:
    """(4, 4) grasp-frame pose at `position` with x forward and z up."""
    pose = np.eye(4)
    pose[:3, 3] = position
    return pose


def _timed(start: Waypoint, moves: Sequence[tuple[np.ndarray, np.ndarray]]) -> list[Waypoint]:
    """Waypoints with a duration by distance; that of a hand which closes or opens in place is FINGERS_S."""
    points = [start]
    for pose, posture in moves:
        distance = float(np.linalg.norm(pose[:3, 3] - points[-1].pose[:3, 3]))
        duration = max(SHORTEST_MOVE_S, distance / CRUISE_M_PER_S) if distance > 1e-6 else FINGERS_S
        points.append(Waypoint(duration, pose, posture))
    return points


def _between(start: Waypoint, end: Waypoint, fraction: float) -> tuple[np.ndarray, np.ndarray]:
    """Minimum-jerk interpolation of position and rotation (along the geodesic), linear interpolation of fingers."""
    s = fraction**3 * (10 - 15 * fraction + 6 * fraction**2)
    pose = np.eye(4)
    pose[:3, 3] = (1 - s) * start.pose[:3, 3] + s * end.pose[:3, 3]
    pose[:3, :3] = start.pose[:3, :3] @ _rotate(start.pose[:3, :3].T @ end.pose[:3, :3], s)
    return pose, (1 - fraction) * start.posture + fraction * end.posture


def _rotate(rotation: np.ndarray, fraction: float) -> np.ndarray:
    """The `fraction` of a rotation matrix (3, 3), by axis and angle (Rodrigues)."""
    angle = np.arccos(np.clip((np.trace(rotation) - 1) / 2, -1.0, 1.0))
    if angle < 1e-9:
        return np.eye(3)
    skew = (rotation - rotation.T) / (2 * np.sin(angle))
    turned = fraction * angle
    return np.eye(3) + np.sin(turned) * skew + (1 - np.cos(turned)) * (skew @ skew)
