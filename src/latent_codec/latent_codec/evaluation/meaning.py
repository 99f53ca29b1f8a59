"""What a human posture means to each hand: does a point point, does a pinch close, does a gripper follow it.

Hands: `point_bend_deg`, by how much the index is turned from where it is when the hand is open, where the human's is
straight and the other fingers are in the fist; `pinch_{finger}_mm`, by how much the human's pinch with a finger leaves
the hand's thumb and finger farther apart than the best that the hand can do; `fist_mm`, the worst fingertip of the
hand's own fist; `refused_on_the_way`, the share of points on straight ways from open to the fist and to the 33 grasps
that its decoder refuses; `gripper_step_rad`, the most that a joint moves when a gripper of the space closes by .2 mm;
`gripper_reversal_mm`, the most that thumb and index come apart while it closes. Grippers: `pinch_{finger}_mm` is what
stays open.
"""

from __future__ import annotations

import numpy as np
import torch
from rich.table import Table

import embodiments
from embodiments import Embodiment
from embodiments.schema import FINGERS
from latent_codec.codec import Codec
from latent_codec.evaluation.oracle import Oracle
from latent_codec.evaluation.postures import tip_errors
from latent_codec.evaluation.vectors import PoseSet, common_fingers, thumb_vectors
from latent_codec.training.across import Across
from latent_codec.training.data import families, grasps
from latent_codec.training.data.human_prior import close
from latent_codec.training.data.retarget import retarget
from latent_codec.training.group import HandGroup

Row = dict[str, float]
POINTS = 101  # on a way
STEP_M = 2e-4  # of a gripper's opening
ORACLE = {"starts": 4, "library": 8192, "iterations": 20}


def meaning(codec: Codec) -> dict[str, Row]:
    """The figures of each hand of a space that has the human hand; nothing where it has not."""
    if "human" not in codec.hands:
        return {}
    human, rows = embodiments.load("human"), {}
    for name in codec.hands:
        hand = embodiments.load(name)
        if name != human.name:
            rows[name] = _gripper(codec, human, hand) if hand.kind == "gripper" else _hand(codec, human, hand)
    return rows


def point(human: Embodiment) -> np.ndarray:
    """Joints (1, n) of the human hand that points with its index."""
    return families.closed_by(human, np.array([[1.0, 0.0, 1.0, 1.0, 1.0]]))


def pinches(human: Embodiment) -> np.ndarray:
    """Joints (4, n) of the human hand whose thumb touches index, middle, ring and little finger in turn."""
    start = np.tile(human.postures["pregrasp"], (4, 1))
    return close(human, start, np.eye(4), np.zeros(4))


def _hand(codec: Codec, human: Embodiment, hand: Embodiment) -> Row:
    row = {}
    if "index" in hand.tips:
        row["point_bend_deg"] = _bend(hand, _decoded(codec, human, hand, point(human)))
    row |= {f"pinch_{finger}_mm": excess for finger, excess in _pinch_excess(codec, human, hand).items()}
    fist = families.fist(hand)[None]
    row["fist_mm"] = float(tip_errors(codec, hand, fist, codec.encode(hand.name, fist)).max())
    ways = _ways(human, hand)
    scores = codec.scores(hand.name, codec.encode(hand.name, ways))
    row["refused_on_the_way"] = float((scores < codec.threshold(hand.name)).mean())
    return row | _driven_by_grippers(codec, hand)


def _gripper(codec: Codec, human: Embodiment, hand: Embodiment) -> Row:
    opening = np.linalg.norm(thumb_vectors(hand, _decoded(codec, human, hand, pinches(human)), ("index",)), axis=-1)
    return {f"pinch_{finger}_mm": 1e3 * float(opening[row, 0]) for row, finger in enumerate(FINGERS[1:])}


def _driven_by_grippers(codec: Codec, hand: Embodiment) -> Row:
    """The worst of all grippers of the space, where there are any."""
    steps, reversals = [], []
    for name in codec.hands:
        gripper = embodiments.load(name)
        if gripper.kind == "gripper":
            ends = gripper.postures["open"], gripper.postures["grasp"]
            tightest = gripper.lower if (ends[1] < ends[0]).all() else gripper.upper
            travel = np.linalg.norm(np.diff(thumb_vectors(gripper, np.stack([ends[0], tightest]), ("index",)), axis=0))
            share = np.linspace(0, 1, int(travel / STEP_M) + 2)[:, None]
            closing = ends[0] + share * (tightest - ends[0])
            joints = codec.decode_anything(hand.name, codec.encode(name, closing))
            steps.append(np.abs(np.diff(joints, axis=0)).max())
            if "index" in hand.tips:
                gap = np.linalg.norm(thumb_vectors(hand, joints, ("index",))[:, 0], axis=-1)
                reversals.append(1e3 * (gap - np.minimum.accumulate(gap)).max())
    worst = {"gripper_step_rad": steps, "gripper_reversal_mm": reversals}
    return {name: float(np.max(found)) for name, found in worst.items() if found}


def _decoded(codec: Codec, human: Embodiment, hand: Embodiment, joints: np.ndarray) -> np.ndarray:
    return codec.decode_anything(hand.name, codec.encode(human.name, joints))


def _bend(hand: Embodiment, joints: np.ndarray) -> float:
    """Angle in degrees between the last link of the index at joints (1, n) and that of the open hand."""
    both = np.stack([hand.postures["open"], joints[0]])
    opened, found = hand.kinematics.forward(both, [hand.tips["index"]])[:, 0, :3, :3]
    return float(np.degrees(np.arccos(np.clip((np.trace(opened.T @ found) - 1) / 2, -1, 1))))


def _pinch_excess(codec: Codec, human: Embodiment, hand: Embodiment) -> Row:
    """Distance in mm between thumb and finger beyond the best for the human's pinches, by finger."""
    wanted = pinches(human)
    group = HandGroup([human, hand])
    tips = group.tips(group.pad([torch.tensor(wanted, dtype=torch.float32), torch.zeros(4, len(hand.joints))]))[0]
    goals = Across(group, group).goals(tips, torch.tensor(0), torch.tensor(1))
    best = Oracle(directory=None, settings=ORACLE).best(PoseSet(human, wanted, np.arange(0)), hand, goals).joints
    fingers = common_fingers(human, hand)
    found, least = (
        np.linalg.norm(thumb_vectors(hand, joints, fingers), axis=-1)
        for joints in (_decoded(codec, human, hand, wanted), best)
    )
    return {finger: 1e3 * float((found - least)[FINGERS.index(finger) - 1, i]) for i, finger in enumerate(fingers)}


def _ways(human: Embodiment, hand: Embodiment) -> np.ndarray:
    """Joints (M, n) on the straight ways from open to the fist and to each of the 33 grasps, retargeted."""
    ends = retarget(human, [hand], grasps.postures(human), families.RETARGET).joints[hand.name]
    ends = np.concatenate([families.fist(hand)[None], ends])
    share, opened = np.linspace(0, 1, POINTS)[:, None, None], hand.postures["open"]
    return (opened + share * (ends - opened)).reshape(-1, len(opened))


def table(name: str, rows: dict[str, Row]) -> Table:
    """One row a figure, one column a hand."""
    result = Table("", title=f"{name}: what the human's postures mean", title_justify="left")
    for hand in rows:
        result.add_column(hand, justify="right")
    for key in dict.fromkeys(key for row in rows.values() for key in row):
        result.add_row(key.replace("_", " "), *(_cell(row.get(key)) for row in rows.values()))
    return result


def _cell(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
