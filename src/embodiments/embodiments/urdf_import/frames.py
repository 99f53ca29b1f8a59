"""Finds a hand's directions in its own geometry: where fingers point, where the palm faces, which side it is.

Flange axes of a right hand: fingers along +z, the palm faces +y, index on the -x side. A gripper: jaws along +z, from
index to thumb +y.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from embodiments.errors import EmbodimentError
from embodiments.urdf_import.hand import Hand, base_positions, moves_tips, pointing
from embodiments.urdf_import.search import minimise

# Flange axes <- grasp frame; the same for every hand, so that directions between fingertips can be compared.
GRASP_ROTATION = np.array([[0, 0, -1], [0.5**0.5, 0.5**0.5, 0], [0.5**0.5, -(0.5**0.5), 0]])
GRIPPER_ROTATION = np.array([[0.0, 0, -1], [0, 1, 0], [1, 0, 0]])
REST = 0.02  # pull towards rest of joints without effect, m^2 per squared half range
ADAPTER_M = 0.01  # least distance of the flange from the nearest joint
SNAP_DEG = 5.0  # axes this close to those of the root link were meant to be them
# A hand is screwed to an arm along the axes of its root link: the mounts of the eight described hands are, though their
# fingers are bent or spread by up to 18 degrees where they are straightest.
STRAIGHT_DEG = 20.0
PALM_M = 0.003  # what is nearer to the plane of the fingers says nothing of where the palm faces
Direction = Sequence[float] | np.ndarray  # (3,)


@dataclass(frozen=True, eq=False)
class Axes:
    """Directions of a hand in its root frame: `rotation` (3, 3) holds the flange axes x, y, z as columns.

    `straight` (n,) is the posture with straight fingers, `side` what the geometry looks like. `sure`, from 0 to 1, is
    that of the most doubtful step: how well the line from index to last finger lies across the hand, or how well
    fingers and thumb agree on where the palm faces.
    """

    rotation: np.ndarray
    straight: np.ndarray
    side: str
    sure: float


def find_axes(hand: Hand, kind: str, given: Mapping[str, Sequence[float]]) -> Axes:
    """Estimate the directions of a hand.

    Args:
        hand: The hand.
        kind: "hand" or "gripper".
        given: "forward" and "palm" in root axes, where they are known.

    Raises:
        EmbodimentError: The geometry defines no direction.
    """
    straight, forward = hand.rest, given.get("forward")
    for _ in range(1 if forward is not None else 2):
        z = _unit(forward if forward is not None else pointing(hand, straight), hand, "forward")
        straight = _straighten(hand, z, kind)
    z = _unit(forward if forward is not None else pointing(hand, straight), hand, "forward")
    tips = hand.kinematics.tip_positions(straight)
    if kind == "gripper":
        y = _across(tips[0] - tips[1:].mean(0), z, hand, "tips")
        return Axes(_snapped(np.stack((np.cross(y, z), y, z), axis=1), SNAP_DEG), straight, "right", 1.0)
    side, facing = _sideways(hand, straight, tips), 1.0
    if "palm" in given:
        y = _across(given["palm"], z, hand, "palm")
    else:
        across = np.cross(z, _across(side, z, hand, "tips"))
        facing = _facing(hand, straight, across)
        y = _across(across * np.sign(facing), z, hand, "tips")
    rotation = _snapped(np.stack((np.cross(y, z), y, z), axis=1), SNAP_DEG)
    along = float(rotation[:, 0] @ side / np.linalg.norm(side))
    return Axes(rotation, straight, "right" if along > 0 else "left", min(abs(along), abs(facing)))


def find_mount(hand: Hand, axes: Axes, *, exact: bool = False) -> np.ndarray:
    """(4, 4) flange -> root: the flange is behind root and joints, its axis through the root or the fingers' middle.

    It is along axes of the root link where these are near those of the hand, or along the hand's if they are `exact`.
    """
    rotation = _snapped(axes.rotation, SNAP_DEG if exact else STRAIGHT_DEG)
    points = np.concatenate((base_positions(hand, axes.straight), np.zeros((1, 3)))) @ rotation
    behind = points[-1, 2] < points[list(hand.fingers), 2].mean() - 0.05
    centre = points[-1] if behind else points[list(hand.fingers)].mean(0)
    back = min(points[:, 2].min() - ADAPTER_M, 0.0) if behind else points[:, 2].min() - 2 * ADAPTER_M
    mount = np.eye(4)
    mount[:3, :3] = rotation.T
    mount[:3, 3] = -np.array([centre[0], centre[1], back])
    return mount


def _straighten(hand: Hand, z: np.ndarray, kind: str) -> np.ndarray:
    """The posture whose fingertips are farthest along `z`; of a gripper, the one that is open widest."""
    half = (hand.upper - hand.lower) / 2

    def cost(q: np.ndarray) -> np.ndarray:
        tips = hand.kinematics.tip_positions(q)
        rest = REST * (((q - hand.rest) / half) ** 2).mean(-1)
        if kind == "gripper":
            return 0.01 * rest - np.linalg.norm(tips[:, 0] - tips[:, 1:].mean(1), axis=-1)
        return 0.2 * rest - (tips[:, hand.fingers] @ z).mean(-1)

    return minimise(cost, hand.lower, hand.upper, hand.rest, rounds=40)[0]


def _facing(hand: Hand, straight: np.ndarray, across: np.ndarray) -> float:
    """Above 0 if the palm faces along `across`, 1 if all agree on it; below 0, to -1, if it faces the other way.

    Each fingertip says so by going there at half range, the thumb's by being there. Joints that move all fingertips are
    a wrist, which says nothing of the palm: they stay as they are.

    Raises:
        EmbodimentError: The fingers hardly go anywhere.
    """
    half = np.where(moves_tips(hand).all(1), straight, (hand.lower + hand.upper) / 2)
    tips = hand.kinematics.tip_positions(np.stack((straight, half))) @ across
    curls = (tips[1] - tips[0])[hand.fingers]
    if abs(curls.mean()) < PALM_M:
        found = f"fingertips that curl by {1e3 * curls.mean():.0f} mm"
        raise EmbodimentError(hand.source.file, "palm", found, f"{1e3 * PALM_M:.0f} mm or more; give --palm X Y Z")
    thumb = np.delete(tips[1], hand.fingers) - (base_positions(hand, straight) @ across)[hand.fingers].mean()
    votes = np.concatenate((curls, thumb))
    return float(votes.sum() / np.abs(votes).sum())


def _sideways(hand: Hand, straight: np.ndarray, tips: np.ndarray) -> np.ndarray:
    """From the index to the last finger; with a thumb and one finger, from the thumb to it."""
    bases, rows = base_positions(hand, straight), hand.fingers
    return bases[rows[-1]] - bases[rows[0]] if len(rows) > 1 else tips[rows[0]] - tips[0]


def _snapped(rotation: np.ndarray, within_deg: float) -> np.ndarray:
    """The nearest rotation that exchanges axes of the root link, where that is within an angle; else the same."""
    nearest = np.round(rotation)
    if (np.abs(nearest).sum(0) == 1).all() and (np.abs(nearest).sum(1) == 1).all():
        angle = np.degrees(np.arccos(np.clip((np.trace(nearest.T @ rotation) - 1) / 2, -1, 1)))
        return nearest if angle < within_deg else rotation
    return rotation


def _unit(direction: Direction, hand: Hand, what: str) -> np.ndarray:
    vector = np.asarray(direction, dtype=float)
    length = float(np.linalg.norm(vector))
    if length < 1e-6:
        raise EmbodimentError(hand.source.file, what, vector.tolist(), f"a direction; give it with --{what}")
    return vector / length


def _across(direction: Direction, z: np.ndarray, hand: Hand, what: str) -> np.ndarray:
    vector = np.asarray(direction, dtype=float)
    return _unit(vector - (vector @ z) * z, hand, what)
