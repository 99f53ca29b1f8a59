"""Checks that a robot's YAML and its URDF agree."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from embodiments.errors import EmbodimentError
from embodiments.schema import EmbodimentData
from embodiments.urdf import Tree

# Published limits are rounded; a command limit equal to a mechanical one up to this much is equal.
_SLACK = 1e-6


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
        EmbodimentError: A range is wider than the URDF's.
    """
    mechanical = {joint.name: (joint.lower, joint.upper) for joint in tree.joints}
    rows = []
    for index, joint in enumerate(data.joints):
        low, high = mechanical[joint.name]
        lower = low if joint.lower is None else joint.lower
        upper = high if joint.upper is None else joint.upper
        if lower < low - _SLACK or upper > high + _SLACK or lower >= upper:
            found, expected = [lower, upper], f"a range of joint {joint.name} inside [{low}, {high}]"
            raise EmbodimentError(file, f"joints.{index}", found, expected)
        rows.append((lower, upper, joint.velocity, joint.acceleration))
    return tuple(_frozen(column) for column in np.array(rows, dtype=float).T)


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
