"""Which finger a link or a joint belongs to, read off the kinematic tree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from embodiments.registry import Embodiment
from embodiments.urdf import parse


def links_of_fingers(hand: Embodiment) -> dict[str, str]:
    """Link -> finger, for every link that moves one finger alone; links of the palm are left out.

    A finger starts at the first link below which there is no other finger's tip.
    """
    parents = {joint.child: joint.parent for joint in parse(hand.urdf, hand.name).joints}
    shared = _shared(hand.tips, parents)
    owners: dict[str, str] = {}
    for finger, tip in hand.tips.items():
        own = [link for link in _upwards(tip, parents) if link not in shared and link != hand.root]
        owners.update((link, finger) for link in own)
    for link in parents:
        above = next((owners[at] for at in _upwards(link, parents) if at in owners), None)
        if above is not None:
            owners[link] = above
    return owners


def joints_of_finger(hand: Embodiment, finger: str) -> list[int]:
    """Indices of the actuated joints that move `finger` alone."""
    owners = links_of_fingers(hand)
    joints = {joint.name: joint for joint in parse(hand.urdf, hand.name).joints}
    return [i for i, name in enumerate(hand.joints) if owners.get(joints[name].child) == finger]


def _shared(tips: Mapping[str, str], parents: Mapping[str, str]) -> set[str]:
    """Links above the tips of more than one finger."""
    seen: set[str] = set()
    shared: set[str] = set()
    for tip in tips.values():
        above = set(_upwards(tip, parents))
        shared |= seen & above
        seen |= above
    return shared


def _upwards(link: str, parents: Mapping[str, str]) -> Iterator[str]:
    """`link` and its parents, up to the root."""
    at: str | None = link
    while at is not None:
        yield at
        at = parents.get(at)
