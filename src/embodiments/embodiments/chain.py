"""A kinematic tree as plain arrays, the common ground of the numpy and the torch kinematics.

The transform of joint j at position p is `constant + f(p) * linear + g(p) * quadratic` with f = sin, g = 1 - cos for
revolute joints (Rodrigues' formula, multiplied by the origin once) and f = p, g = 0 for prismatic ones.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from contracts.transforms import skew
from embodiments.urdf import Tree
from embodiments.urdf_joint import Joint


@dataclass(frozen=True, eq=False)
class Chain:
    """Arrays of a tree with J joints and J + 1 links; link 0 is the root, link j + 1 the child of joint j."""

    links: tuple[str, ...]
    parent: tuple[int, ...]  # (J + 1,) parent link of each link; -1 for the root
    constant: np.ndarray  # (J, 4, 4)
    linear: np.ndarray  # (J, 4, 4)
    quadratic: np.ndarray  # (J, 4, 4)
    axis: np.ndarray  # (J, 3) in the joint frame, zero for fixed joints
    revolute: np.ndarray  # (J,) bool
    source: np.ndarray  # (J,) index of the actuated joint that drives it
    multiplier: np.ndarray  # (J,), 0 for fixed joints
    offset: np.ndarray  # (J,)
    lower: np.ndarray  # (J,) clamp; infinite for actuated joints
    upper: np.ndarray  # (J,)

    @classmethod
    def build(cls, tree: Tree, joints: tuple[str, ...]) -> Chain:
        """Build from a parsed tree; `joints` is the order of the actuated joints."""
        links = (tree.root, *(joint.child for joint in tree.joints))
        parent = (-1, *(links.index(joint.parent) for joint in tree.joints))
        matrices = np.array([_matrices(joint) for joint in tree.joints]).reshape(-1, 3, 4, 4)
        rules = np.array([_rule(joint, joints) for joint in tree.joints]).reshape(-1, 5)
        axis = np.array([joint.axis for joint in tree.joints]).reshape(-1, 3)
        revolute = np.array([joint.kind == "revolute" for joint in tree.joints], dtype=bool)
        constant, linear, quadratic = matrices.swapaxes(0, 1)
        source, multiplier, offset, lower, upper = rules.T
        return cls(
            links,
            parent,
            constant,
            linear,
            quadratic,
            axis,
            revolute,
            source.astype(int),
            multiplier,
            offset,
            lower,
            upper,
        )

    def link_index(self, link: str) -> int:
        """Return the index of a link.

        Raises:
            KeyError: There is no such link; the message lists those that exist.
        """
        try:
            return self.links.index(link)
        except ValueError:
            raise KeyError(f"no link '{link}'; there are {', '.join(self.links)}") from None

    def needed(self, links: Iterable[int]) -> list[int]:
        """Return the links whose poses `links` depend on, themselves included, the root excluded, parents first."""
        found: set[int] = set()
        for link in links:
            while link > 0 and link not in found:
                found.add(link)
                link = self.parent[link]
        return sorted(found)


def _matrices(joint: Joint) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    linear, quadratic = np.zeros((4, 4)), np.zeros((4, 4))
    if joint.kind == "revolute":
        linear[:3, :3] = skew(joint.axis)
        quadratic[:3, :3] = linear[:3, :3] @ linear[:3, :3]
    elif joint.kind == "prismatic":
        linear[:3, 3] = joint.axis
    return joint.origin, joint.origin @ linear, joint.origin @ quadratic


def _rule(joint: Joint, joints: tuple[str, ...]) -> tuple[float, float, float, float, float]:
    """Driving joint, multiplier, offset, lower, upper of one joint."""
    if joint.kind == "fixed":
        return 0, 0.0, 0.0, -np.inf, np.inf
    if joint.mimic is None:
        return joints.index(joint.name), 1.0, 0.0, -np.inf, np.inf
    return joints.index(joint.mimic.source), joint.mimic.multiplier, joint.mimic.offset, joint.lower, joint.upper
