"""Finds open, pregrasp and grasp of a new hand, and where a can sits in it, from kinematics alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from embodiments.schema import PREGRASP_SHARE
from embodiments.urdf_import.can import GRASP, OPEN, PREGRASP, Can
from embodiments.urdf_import.frames import GRIPPER_ROTATION, Axes
from embodiments.urdf_import.hand import Hand
from embodiments.urdf_import.search import minimise

GRIP_M = 0.020  # a gripper's jaws close to this distance from the middle
REACH_M = np.array([[-0.012, -0.03], [0.02, 0.03]])  # how far the can may be from where it is sought, y and z


@dataclass(frozen=True, eq=False)
class Found:
    """`grasp` (4, 4) root -> grasp frame, postures (n,), and how far the grasp missed its aim: mm, a tip, mean."""

    grasp: np.ndarray
    postures: dict[str, np.ndarray]
    miss_mm: float


def find_postures(hand: Hand, axes: Axes, kind: str, fixed: Mapping[str, np.ndarray], seed: int = 0) -> Found:
    """Search the grasp frame and the postures that `fixed` does not give."""
    if kind == "gripper":
        return _gripper(hand, axes, fixed, seed)
    can = Can(hand, axes)
    grasp, centre = _grasp(hand, can, fixed.get("grasp"), seed)
    wide = fixed["open"] if "open" in fixed else _open(hand, can, centre, grasp, seed)
    ready = fixed["pregrasp"] if "pregrasp" in fixed else _pregrasp(hand, can, centre, wide, grasp, seed)
    wanted = np.where(can.thumb, GRASP.thumb[0], GRASP.finger[0])
    miss = float(1e3 * np.abs(can.polar(grasp, centre)[0] - wanted).mean())
    return Found(can.frame(centre), {"open": wide, "pregrasp": ready, "grasp": grasp}, miss)


def _grasp(hand: Hand, can: Can, given: np.ndarray | None, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Close on a can: the posture (n,), and where the can is then (3,)."""
    straight, n = can.axes.straight, len(hand.lower)
    stiffness = np.where(moves(hand, can.thumb) & moves(hand, ~can.thumb), 20.0, 0.3)  # a wrist is no finger
    limits = (hand.lower, hand.upper) if given is None else (given, given)
    lower, upper = (np.concatenate((q, can.home[1:] + shift)) for q, shift in zip(limits, REACH_M, strict=True))
    half = (hand.upper - hand.lower) / 2
    roomy = np.where(hand.upper - straight > straight - hand.lower, hand.upper, hand.lower)
    start = np.concatenate((straight + 0.3 * (roomy - straight), can.home[1:]))

    def cost(x: np.ndarray) -> np.ndarray:
        q, centre = x[:, :n], np.concatenate((np.full((len(x), 1), can.home[0]), x[:, n:]), axis=1)
        moved = (((centre[:, 1:] - can.home[1:]) / [0.012, 0.02]) ** 2).sum(-1)
        bent = ((q - straight) / half) ** 2 @ stiffness
        return can.missed(q, GRASP, centre) + can.inside(q, centre) + moved + bent

    x, _ = minimise(cost, lower, upper, start, rounds=90, seed=seed)
    return x[:n], np.concatenate((can.home[:1], x[n:]))


def _open(hand: Hand, can: Can, centre: np.ndarray, grasp: np.ndarray, seed: int) -> np.ndarray:
    """Fingers straight, the thumb out of the can's way but still opposite."""
    thumbs = moves(hand, can.thumb) & ~moves(hand, ~can.thumb)
    lower, upper = (np.where(thumbs, limit, can.axes.straight) for limit in (hand.lower, hand.upper))
    half = (hand.upper - hand.lower) / 2

    def cost(q: np.ndarray) -> np.ndarray:
        turned = (((q - grasp) / half) ** 2 * thumbs).sum(-1)
        return can.missed(q, OPEN, centre, fingers=False) + 2.0 * turned

    return minimise(cost, lower, upper, grasp, seed=seed)[0]


def _pregrasp(hand: Hand, can: Can, centre: np.ndarray, wide: np.ndarray, grasp: np.ndarray, seed: int) -> np.ndarray:
    """On the way from open to grasp, round the can, which comes in between fingers and thumb without touching."""
    middle, half = wide + PREGRASP_SHARE * (grasp - wide), (hand.upper - hand.lower) / 2

    def cost(q: np.ndarray) -> np.ndarray:
        aside = 6.0 * (((q - middle) / half) ** 2).sum(-1)
        return can.blocking(q, centre) + can.missed(q, PREGRASP, centre) + aside

    return minimise(cost, np.minimum(wide, grasp), np.maximum(wide, grasp), middle, seed=seed)[0]


def moves(hand: Hand, rows: np.ndarray) -> np.ndarray:
    """Which joints (n,) move any of the tips `rows` (F,) bool."""
    q, extent = (hand.lower + hand.upper) / 2, hand.upper - hand.lower
    change = hand.kinematics.tip_positions(q + np.diag(0.05 * extent)) - hand.kinematics.tip_positions(q)
    return (np.linalg.norm(change, axis=-1)[:, rows] > 1e-7).any(-1)


def _gripper(hand: Hand, axes: Axes, fixed: Mapping[str, np.ndarray], seed: int) -> Found:
    """Wide open, and closed to GRIP_M from the middle; the can's axis is in the middle of the jaws."""

    def gap(q: np.ndarray) -> np.ndarray:
        tips = hand.kinematics.tip_positions(q)
        return np.linalg.norm(tips[:, 0] - tips[:, 1:].mean(1), axis=-1)

    def cost(q: np.ndarray) -> np.ndarray:
        return np.abs(gap(q) - 2 * GRIP_M)

    wide = fixed.get("open", axes.straight)
    closed, miss = minimise(cost, hand.lower, hand.upper, axes.straight, seed=seed)
    closed = fixed.get("grasp", closed)
    frame = np.eye(4)
    tips = hand.kinematics.tip_positions(closed)
    frame[:3, :3], frame[:3, 3] = axes.rotation @ GRIPPER_ROTATION, (tips[0] + tips[1:].mean(0)) / 2
    return Found(frame, {"open": wide, "pregrasp": fixed.get("pregrasp", wide), "grasp": closed}, 1e3 * miss)
