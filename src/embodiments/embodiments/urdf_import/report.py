"""What was estimated for a new hand, line by line, to compare with the real hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from embodiments.registry import Embodiment, load, names
from embodiments.urdf_import.frames import Axes
from embodiments.urdf_import.hand import Hand, moves_tips
from embodiments.urdf_import.postures import Found
from embodiments.urdf_import.read_urdf import Source
from embodiments.urdf_import.write_yaml import POSTURES, SPEEDS, pose_text
from embodiments.urdf_xml import parse_robot

CAN_M = 0.066
LOOSE_MM = 8.0


def report(source: Source, hand: Hand, axes: Axes, side: str, found: Found, robot: Embodiment) -> list[str]:
    """What was found, then what to look at, a line each."""
    mass = sum(float(e.get("value", "0")) for e in parse_robot(robot.urdf).iter("mass"))
    opposite, gaps = _gaps(robot)
    x, y, z = (direction_text(sign * axis) for sign, axis in zip((-1, 1, 1), axes.rotation.T, strict=True))
    seen = f"a {side} hand (sure {axes.sure:.2f} of 1)" if robot.kind == "hand" else "a gripper"
    kept = "; kept as its mirror image, the right hand, in whose axes all of this is" if side == "left" else ""
    facing = "the palm faces" if robot.kind == "hand" else "from the second jaw to the first"
    return [
        f"{seen}{kept}",
        f"{len(robot.joints)} actuated joints, in the order of the file: {', '.join(robot.joints)}",
        f"in axes of {robot.root}: fingers point along {z}, {facing} {y}, the index side is {x}",
        f"mount {pose_text(robot.mount)}",
        f"grasp frame {pose_text(robot.grasp_frame)}",
        f"thumb to {opposite} fingertip: " + ", ".join(f"{key} {1e3 * gap:.0f} mm" for key, gap in gaps.items()),
        f"closed on a can, fingertips miss their aim by {found.miss_mm:.1f} mm; {mass:.2f} kg in all",
        *(f"note: {note}" for note in (*source.notes, *_doubts(source, hand, found, gaps), *_too_heavy(mass))),
    ]


def _too_heavy(mass: float) -> list[str]:
    """The arms that cannot carry a hand of `mass` kg."""
    arms = [load(name) for name in names("arm")]
    carry = [f"{arm.name} carries {arm.payload:g} kg" for arm in arms if arm.payload is not None and mass > arm.payload]
    return [f"{mass:.2f} kg are more than {', '.join(carry)}"] if carry else []


def direction_text(direction: np.ndarray) -> str:
    """A direction in words: +x, or three numbers."""
    nearest = int(np.abs(direction).argmax())
    if abs(direction[nearest]) > np.cos(np.radians(1)):
        return ("+" if direction[nearest] > 0 else "-") + "xyz"[nearest]
    return "(" + " ".join(f"{value:.2f}" for value in direction) + ")"


def _doubts(source: Source, hand: Hand, found: Found, gaps: Mapping[str, float]) -> list[str]:
    doubts = _joint_doubts(source, hand)
    moving = {joint.child for joint in source.tree.joints if joint.kind == "revolute"}
    short = [finger for finger, link in source.tips.items() if link in moving]
    if short:
        doubts.append(f"the tips {', '.join(short)} sit on their last joint: name the pads' points with LINK@X,Y,Z")
    if not gaps["grasp"] < CAN_M < gaps["pregrasp"]:
        doubts.append(
            "pregrasp and grasp are not wider and narrower than a can of 66 mm: see whether --postures serve better"
        )
    if found.miss_mm > LOOSE_MM:
        doubts.append("the fingertips do not close on a can of 66 mm: grasps of it will be loose")
    return doubts


def _joint_doubts(source: Source, hand: Hand) -> list[str]:
    doubts = []
    silent = [joint for joint in source.actuated if joint not in source.speeds]
    if silent:
        speeds = f"{SPEEDS['revolute'][0]:g} rad/s or {SPEEDS['prismatic'][0]:g} m/s"
        which = "any joint" if len(silent) == len(source.actuated) else ", ".join(silent)
        doubts.append(f"no velocity limit in the URDF for {which}: taken {speeds}; correct the YAML before a real hand")
    moved = moves_tips(hand)
    if not moved.any(1).all():
        doubts.append(f"no fingertip moves with {_picked(source.actuated, ~moved.any(1))}: leave out with --freeze")
    if moved.all(1).any() and len(source.tips) > 2:
        which = _picked(source.actuated, moved.all(1))
        doubts.append(f"all fingertips move with {which}: a wrist, which an arm has already; leave out with --freeze")
    return doubts


def _picked(names: Sequence[str], chosen: np.ndarray) -> str:
    return ", ".join(name for name, wanted in zip(names, chosen, strict=True) if wanted)


def _gaps(robot: Embodiment) -> tuple[str, dict[str, float]]:
    """The finger opposite the thumb, and their fingertips' distance (m) at each posture."""
    opposite = "middle" if "middle" in robot.tips else "index"
    row = list(robot.tips).index(opposite)
    tips = {key: robot.kinematics.tip_positions(robot.postures[key]) for key in POSTURES}
    return opposite, {key: float(np.linalg.norm(value[row] - value[0])) for key, value in tips.items()}
