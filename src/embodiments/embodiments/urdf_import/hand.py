"""A hand as the searches of the intake see it: kinematics, limits, and where each finger starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from embodiments.errors import EmbodimentError
from embodiments.kinematics import Kinematics
from embodiments.urdf_import.read_urdf import Source


@dataclass(frozen=True, eq=False)
class Hand:
    """A URDF with what the searches need: kinematics, limits (n,), and the link each finger starts at."""

    source: Source
    kinematics: Kinematics
    lower: np.ndarray
    upper: np.ndarray
    bases: Mapping[str, str]

    @property
    def rest(self) -> np.ndarray:
        """Zero, or the limit nearest to it (n,)."""
        return np.clip(0.0, self.lower, self.upper)

    @property
    def fingers(self) -> list[int]:
        """Rows of the tips other than the thumb's."""
        return [row for row, finger in enumerate(self.kinematics.tips) if finger != "thumb"]


def prepare(source: Source, urdf: str) -> Hand:
    """Return the kinematics of a URDF that was read.

    Raises:
        EmbodimentError: No joint moves one of the fingertips.
    """
    limits = {joint.name: (joint.lower, joint.upper) for joint in source.tree.joints}
    lower, upper = np.array([limits[name] for name in source.actuated]).T
    bases = _bases(source)
    return Hand(source, Kinematics(urdf, source.actuated, source.tips, source.file), lower, upper, bases)


def base_positions(hand: Hand, q: np.ndarray) -> np.ndarray:
    """Where each finger starts (F, 3), in the root frame, m."""
    return hand.kinematics.forward(q, tuple(hand.bases.values()))[..., :3, 3]


def moves_tips(hand: Hand) -> np.ndarray:
    """Which joint moves which fingertip, (n, F)."""
    middle, extent = (hand.lower + hand.upper) / 2, hand.upper - hand.lower
    tips = hand.kinematics.tip_positions
    return np.linalg.norm(tips(middle + np.diag(0.1 * extent)) - tips(middle), axis=-1) > 1e-6


def _bases(source: Source) -> dict[str, str]:
    """The child link of the first joint that moves this fingertip and no other."""
    above = {joint.child: joint for joint in source.tree.joints}
    chains: dict[str, list[str]] = {}
    for finger, link in source.tips.items():
        chain = []
        while link in above:
            if above[link].kind != "fixed":
                chain.append(link)
            link = above[link].parent
        chains[finger] = chain[::-1]
    bases = {}
    for finger, chain in chains.items():
        others = {link for other, links in chains.items() if other != finger for link in links}
        own = [link for link in chain if link not in others]
        if not own:
            raise EmbodimentError(
                source.file, f"tips.{finger}", source.tips[finger], "a link that a joint of its own moves"
            )
        bases[finger] = own[0]
    return bases


def pointing(hand: Hand, q: np.ndarray) -> np.ndarray:
    """Mean direction from each finger's hinge to its tip; a hinge is all of its axis, so the nearest point counts."""
    chain, tips = hand.kinematics.chain, hand.kinematics.tip_positions(q)
    bases = hand.kinematics.forward(q, tuple(hand.bases.values()))
    axes = np.array([chain.axis[chain.link_index(link) - 1] for link in hand.bases.values()])
    reach = tips - bases[:, :3, 3]
    along = np.einsum("fij,fj->fi", bases[:, :3, :3], axes)
    level = reach - (reach * along).sum(-1, keepdims=True) * along
    hinged = np.linalg.norm(level, axis=-1) > 0.7 * np.linalg.norm(reach, axis=-1)
    reach = np.where(hinged[:, None], level, reach)[hand.fingers]
    return (reach / np.maximum(np.linalg.norm(reach, axis=-1, keepdims=True), 1e-6)).mean(0)
