"""A can in a hand: where fingertips are about its axis, where they should be, and what else is in its way.

Aims are fingertips in the grasp frame, as the shipped hands have them: polar coordinates about the axis of an upright
can of radius 33 mm, angle 0 at the far side of the can, -90 degrees where straight fingers are, +90 where the thumb is.
Fingertips aim inside the can, because a position servo presses with what it cannot reach.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from embodiments.urdf_import.frames import GRASP_ROTATION, Axes
from embodiments.urdf_import.hand import Hand, base_positions

CAN_RADIUS_M = 0.033
SKIN_M = 0.004  # links may come this much closer to the can's axis than touching it
FINGER_RADIUS_M = 0.009
PALM_M = 0.015  # from the fingers' hinges to the palm's skin
DOOR_M = CAN_RADIUS_M + FINGER_RADIUS_M + 0.012  # fingers and thumb this far to either side let the can in


@dataclass(frozen=True)
class Aim:
    """Where tips should be: radius (m) and angle (rad) of fingers and thumb, with what counts as one unit of error."""

    finger: tuple[float, float]
    thumb: tuple[float, float]
    metres: float
    radians: float


GRASP = Aim((0.020, np.radians(-10)), (0.016, np.radians(60)), 0.005, np.radians(40))
PREGRASP = Aim((0.064, np.radians(-70)), (0.058, np.radians(72)), 0.008, np.radians(25))
OPEN = Aim((0.085, np.radians(-85)), (0.075, np.radians(85)), 0.015, np.radians(25))


class Can:
    """The can's place and the costs of postures round it; `centre` (3,) is on its axis: flange axes, m from root."""

    def __init__(self, hand: Hand, axes: Axes) -> None:
        self.hand, self.axes = hand, axes
        self.thumb = np.array([finger == "thumb" for finger in hand.kinematics.tips])
        self.rotation = axes.rotation @ GRASP_ROTATION
        bases = base_positions(hand, axes.straight)[hand.fingers] @ axes.rotation
        self.home = bases.mean(0) + np.array([0.0, CAN_RADIUS_M + PALM_M, 0.008])
        self.links = _between(hand)
        self.heights = self.polar(axes.straight, self.home)[2]  # where fingers are along the can, and should stay
        self.heights[self.thumb] = self.heights[hand.fingers[:2]].mean()

    def frame(self, centre: np.ndarray) -> np.ndarray:
        """(4, 4) root -> grasp frame whose origin is `centre` (3,), given along the flange axes."""
        frame = np.eye(4)
        frame[:3, :3], frame[:3, 3] = self.rotation, self.axes.rotation @ centre
        return frame

    def polar(self, q: np.ndarray, centre: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Radius (m), angle (rad) and height (m) of the tips (..., F) about the can's axis."""
        return self._about(self.hand.kinematics.tip_positions(q), centre)

    def missed(self, q: np.ndarray, aim: Aim, centre: np.ndarray, fingers: bool = True) -> np.ndarray:
        """Squared misses of the tips' aims (M,): fingers stay side by side, the thumb comes between the first two."""
        radius, angle, height = self.polar(q, centre)
        wanted_radius = np.where(self.thumb, aim.thumb[0], aim.finger[0])
        wanted_angle = np.where(self.thumb, aim.thumb[1], aim.finger[1])
        off = np.angle(np.exp(1j * (angle - wanted_angle)))
        errors = ((radius - wanted_radius) / aim.metres) ** 2 + (off / aim.radians) ** 2
        errors += ((height - self.heights) / np.where(self.thumb, 0.02, 0.01)) ** 2
        weights = np.ones(len(self.thumb)) if fingers else self.thumb.astype(float)
        return errors @ weights

    def inside(self, q: np.ndarray, centre: np.ndarray) -> np.ndarray:
        """How deep joints between base and tip are in the can (M,)."""
        if not self.links:
            return np.zeros(len(q))
        points = self.hand.kinematics.forward(q, self.links)[..., :3, 3]
        depth = CAN_RADIUS_M + FINGER_RADIUS_M - SKIN_M - self._about(points, centre)[0]
        return ((np.maximum(depth, 0.0) / 0.004) ** 2).sum(-1)

    def blocking(self, q: np.ndarray, centre: np.ndarray) -> np.ndarray:
        """How much fingers and thumb leave too little room for the can to come in between them (M,)."""
        radius, angle, _ = self.polar(q, centre)
        beside = radius * np.sin(angle) * np.where(self.thumb, 1.0, -1.0)
        return ((np.maximum(DOOR_M - beside, 0.0) / 0.003) ** 2).sum(-1)

    def _about(self, points: np.ndarray, centre: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        local = (points - (centre @ self.axes.rotation.T)[..., None, :]) @ self.rotation
        return np.hypot(local[..., 0], local[..., 1]), np.arctan2(local[..., 1], local[..., 0]), local[..., 2]


def _between(hand: Hand) -> tuple[str, ...]:
    """Links of moving joints between the base and the tip of each finger, bases left out."""
    above = {joint.child: joint for joint in hand.source.tree.joints}
    found: dict[str, None] = {}
    for finger, link in hand.source.tips.items():
        while link != hand.bases[finger]:
            if above[link].kind != "fixed" and link != hand.source.tips[finger]:
                found[link] = None
            link = above[link].parent
    return tuple(found)
