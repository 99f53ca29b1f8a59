"""Checks that a robot's YAML and its URDF agree, and that its limits are those of a robot."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from embodiments.bounds import MAX_OFFSET_M, bounds_of
from embodiments.errors import EmbodimentError
from embodiments.schema import EmbodimentData, JointData
from embodiments.urdf import Tree
from embodiments.urdf_joint import MOVING, Joint

# Published limits are rounded; a command limit equal to a mechanical one up to this much is equal.
_SLACK = 1e-6
_ROUNDED = 1e-3  # of a velocity: pi written with two decimals


def check_links(data: EmbodimentData, tree: Tree, file: str) -> None:
    """Check that joints, tips and flange exist in the URDF, and that each actuated joint is listed once.

    Raises:
        EmbodimentError: They do not.
    """
    listed = [joint.name for joint in data.joints]
    if sorted(listed) != sorted(tree.actuated):
        raise EmbodimentError(
            file, "joints", listed, f"each actuated joint of the URDF once: {', '.join(tree.actuated)}"
        )
    links = {f"tips.{finger}": link for finger, link in data.tips.items()}
    if data.flange is not None:
        links["flange"] = data.flange
    for field, link in links.items():
        if link not in tree.links:
            raise EmbodimentError(file, field, link, f"one of the links {', '.join(tree.links)}")


def joint_limits(data: EmbodimentData, tree: Tree, file: str) -> tuple[np.ndarray, ...]:
    """Return lower, upper, velocity and acceleration limits, each (n,), in rad and s (m for prismatic joints).

    Raises:
        EmbodimentError: A limit is wider than the URDF's, or than that of any robot of the kind.
    """
    mechanical = {joint.name: joint for joint in tree.joints}
    rows = []
    for index, joint in enumerate(data.joints):
        _check_speed(joint, mechanical[joint.name], f"joints.{index}", data.kind, file)
        low, high = mechanical[joint.name].lower, mechanical[joint.name].upper
        lower = low if joint.lower is None else joint.lower
        upper = high if joint.upper is None else joint.upper
        if lower < low - _SLACK or upper > high + _SLACK or lower >= upper:
            found, expected = [lower, upper], f"a range of joint {joint.name} inside [{low}, {high}]"
            raise EmbodimentError(file, f"joints.{index}", found, expected)
        rows.append((lower, upper, joint.velocity, joint.acceleration))
    return tuple(_frozen(column) for column in np.array(rows, dtype=float).T)


def check_ranges(tree: Tree, kind: str, file: str) -> None:
    """Check that the joints of a URDF move no further than those of an embodiment of that kind.

    Raises:
        EmbodimentError: They do.
    """
    for joint in tree.joints:
        if joint.kind not in MOVING:
            continue
        bounds, limits = bounds_of(kind, joint.kind), [joint.lower, joint.upper]
        if max(map(abs, limits)) > bounds.position:
            expected = f"limits within {bounds.position:.3g} {bounds.unit}"
            raise EmbodimentError(file, f"joint {joint.name}.limit", limits, expected)


def check_offsets(tree: Tree, file: str) -> None:
    """Check that no joint is further from the one before than in any robot.

    Raises:
        EmbodimentError: One is.
    """
    for joint in tree.joints:
        offset = joint.origin[:3, 3]
        if np.abs(offset).max() > MAX_OFFSET_M:
            expected = f"at most {MAX_OFFSET_M:g} m"
            raise EmbodimentError(file, f"joint {joint.name}.origin.xyz", offset.tolist(), expected)


def _check_speed(joint: JointData, mechanical: Joint, field: str, kind: str, file: str) -> None:
    bounds = bounds_of(kind, mechanical.kind)
    fastest = min(bounds.velocity, mechanical.velocity or bounds.velocity)
    for name, most, per in (("velocity", fastest, "s"), ("acceleration", bounds.acceleration, "s2")):
        found = getattr(joint, name)
        if found > most * (1 + _ROUNDED):
            stated = ", as in the URDF" if most == mechanical.velocity else ""
            expected = f"at most {most:g} {bounds.unit}/{per}{stated} ({mechanical.kind} joint {joint.name})"
            raise EmbodimentError(file, f"{field}.{name}", found, expected)


def posture(name: str, values: Sequence[float], limits: tuple[np.ndarray, ...], file: str) -> np.ndarray:
    """Return a posture (n,) as a read-only array.

    Raises:
        EmbodimentError: Wrong length, or values out of limits.
    """
    lower, upper = limits[:2]
    if len(values) != len(lower):
        raise EmbodimentError(file, f"postures.{name}", list(values), f"{len(lower)} numbers, one a joint")
    result = np.array(values, dtype=float)
    if ((result < lower - _SLACK) | (result > upper + _SLACK)).any():
        expected = f"values between {lower.tolist()} and {upper.tolist()}"
        raise EmbodimentError(file, f"postures.{name}", list(values), expected)
    return _frozen(np.clip(result, lower, upper))


def _frozen(values: np.ndarray) -> np.ndarray:
    result = np.ascontiguousarray(values, dtype=float)
    result.flags.writeable = False
    return result
