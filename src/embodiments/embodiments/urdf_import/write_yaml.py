"""The YAML of a new robot, laid out like those of the shipped ones, and postures that a user gives in YAML."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import yaml

from contracts.files import read_mapping
from contracts.transforms import matrix_rpy
from embodiments.errors import EmbodimentError
from embodiments.urdf_import.hand import Hand
from embodiments.urdf_import.postures import Found
from embodiments.urdf_import.read_urdf import Source

POSTURES = ("open", "pregrasp", "grasp")
SPEEDS = {"revolute": (3.0, 5.0), "prismatic": (0.1, 0.15)}  # default and most, rad/s or m/s
ACCELERATION_PER_SPEED = 12.0  # 1/s: full speed within a twelfth of a second, as the shipped hands have it


def given_postures(hand: Hand, path: Path | None) -> dict[str, np.ndarray]:
    """Postures of a YAML file, each a list in the order of the joints or a mapping from joint to position."""
    if path is None:
        return {}
    content = read_mapping(path, error=EmbodimentError)
    for name in content:
        if name not in POSTURES:
            raise EmbodimentError(path, str(name), "an unknown posture", f"one of {', '.join(POSTURES)}")
    return {name: _posture(hand, value, str(path), name) for name, value in content.items()}


def _posture(hand: Hand, value: object, file: str, name: str) -> np.ndarray:
    joints = hand.kinematics.joints
    if isinstance(value, dict) and set(map(str, value)) == set(joints):
        named = {str(joint): position for joint, position in value.items()}
        value = [named[joint] for joint in joints]
    try:
        result = np.array(value, dtype=float)
    except (TypeError, ValueError):
        result = np.empty(0)
    if result.shape != (len(joints),) or not np.isfinite(result).all():
        raise EmbodimentError(file, name, value, f"a number for each of {', '.join(joints)}")
    if ((result < hand.lower - 1e-6) | (result > hand.upper + 1e-6)).any():
        raise EmbodimentError(file, name, value, f"between {hand.lower.tolist()} and {hand.upper.tolist()}")
    return np.clip(result, hand.lower, hand.upper)


def yaml_text(name: str, kind: str, source: Source, found: Found, mount: np.ndarray) -> str:
    """The YAML, laid out like those of the shipped robots."""
    limits = {joint.name: (joint.kind, joint.lower, joint.upper) for joint in source.tree.joints}
    lines = [f"name: {name}", f"kind: {kind}", f"description: {_flow(f'{source.tree.name}, added from a URDF')}"]
    lines += [
        f"urdf: {name}.urdf",
        "# Canonical order = wire order. Command limits: rad/s, rad/s2 (m for prismatic joints).",
    ]
    lines += ["joints:"]
    for joint in source.actuated:
        default, most = SPEEDS[limits[joint][0]]
        speed = round(min(source.speeds.get(joint, default), most), 4)
        entry = {"name": joint, "velocity": speed, "acceleration": round(ACCELERATION_PER_SPEED * speed, 3)}
        lines.append(f"  - {_flow(entry)}")
    lines += [f"tips: {_flow(dict(source.tips))}", "# Arm flange -> hand root.", f"mount: {pose_text(mount)}"]
    lines += ["# Hand root -> axis of an upright can of radius 33 mm in a power grasp: x approach, z up along the can."]
    lines += [f"grasp_frame: {pose_text(found.grasp)}", "postures:"]
    ranges = [limits[joint][1:] for joint in source.actuated]
    lines += [f"  {key}: {_flow(_rounded(found.postures[key], ranges))}" for key in POSTURES]
    return "\n".join(lines) + "\n"


def _rounded(values: np.ndarray, ranges: Sequence[tuple[float, float]]) -> list[float]:
    rounded = np.round(values, 4) + 0.0
    return [
        float(v) if low <= v <= high else float(np.clip(v, low, high))
        for v, (low, high) in zip(rounded, ranges, strict=True)
    ]


def pose_text(transform: np.ndarray) -> str:
    """Return a transform (4, 4) as the YAML of a pose: xyz in m, rpy in rad."""
    xyz, rpy = np.round(transform[:3, 3], 5) + 0.0, np.round(matrix_rpy(transform[:3, :3]), 8) + 0.0
    return _flow({"xyz": xyz.tolist(), "rpy": rpy.tolist()})


def _flow(value: object) -> str:
    return yaml.safe_dump(value, default_flow_style=True, width=10_000, sort_keys=False).removesuffix("...\n").strip()
