"""Forward kinematics in numpy for any batch shape, mimic joints included."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from embodiments.chain import Chain
from embodiments.urdf import parse


class Kinematics:
    """Forward kinematics of one URDF.

    Mimic joints follow `multiplier * source + offset`, clamped to their own limits. Actuated joints are taken as given.
    """

    def __init__(self, urdf: str, joints: Sequence[str], tips: Mapping[str, str], source: str = "urdf") -> None:
        self.chain = Chain.build(parse(urdf, source), tuple(joints))
        self.joints = tuple(joints)
        self.tips = dict(tips)

    @property
    def links(self) -> tuple[str, ...]:
        """Names of all links, the root first."""
        return self.chain.links

    def joint_positions(self, q: np.ndarray) -> np.ndarray:
        """Return the positions (..., J) of all joints of the tree from actuated ones (..., n)."""
        c = self.chain
        return np.clip(np.asarray(q, dtype=float)[..., c.source] * c.multiplier + c.offset, c.lower, c.upper)

    def forward(self, q: np.ndarray, links: Sequence[str]) -> np.ndarray:
        """Return poses (..., len(links), 4, 4) of `links` in the root frame, from joints `q` (..., n).

        Raises:
            KeyError: A link does not exist.
            ValueError: Wrong number of joints.
        """
        q = np.asarray(q, dtype=float)
        if q.shape[-1:] != (len(self.joints),):
            raise ValueError(f"joint positions of shape {q.shape}, expected (..., {len(self.joints)})")
        local, poses = self.local(q), {0: np.eye(4)}
        indices = [self.chain.link_index(link) for link in links]
        for index in self.chain.needed(indices):
            poses[index] = poses[self.chain.parent[index]] @ local[..., index - 1, :, :]
        result = np.empty((*q.shape[:-1], len(indices), 4, 4))
        for position, index in enumerate(indices):
            result[..., position, :, :] = poses[index]
        return result

    def tip_positions(self, q: np.ndarray) -> np.ndarray:
        """Return fingertip positions (..., F, 3) in the root frame (m), in the order of `tips`."""
        return self.forward(q, tuple(self.tips.values()))[..., :3, 3]

    def local(self, q: np.ndarray) -> np.ndarray:
        """Return the poses (..., J, 4, 4) of the child links of all joints in their parent links, at `q` (..., n)."""
        c, positions = self.chain, self.joint_positions(q)
        first = np.where(c.revolute, np.sin(positions), positions)[..., None, None]
        second = np.where(c.revolute, 1.0 - np.cos(positions), 0.0)[..., None, None]
        return c.constant + first * c.linear + second * c.quadratic
