"""What `TorchKinematics` has to multiply for a set of links: constants folded once, moving joints grouped by depth.

Frames are turned so that every joint moves about or along its own z axis, and fixed joints disappear into constants.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from contracts.transforms import inverse
from embodiments.chain import Chain


@dataclass(frozen=True, eq=False)
class Level:
    """Moving joints at one depth: `parents` are positions in the level above, `constants` (k, 3, 4) lead from there."""

    joints: list[int]
    parents: list[int]
    constants: np.ndarray


@dataclass(frozen=True, eq=False)
class Plan:
    """Levels from the root outwards. Link i is frame `frames[i]` (0 is the root, then all levels) times `ends[i]`."""

    levels: tuple[Level, ...]
    frames: list[int]
    ends: np.ndarray


def make_plan(chain: Chain, links: Sequence[str]) -> Plan:
    """Plan the poses of `links`.

    Raises:
        KeyError: A link does not exist.
    """
    wanted = [chain.link_index(link) for link in links]
    anchors = {link: _anchor(chain, link) for link in (0, *chain.needed(wanted))}
    moving = [link for link in anchors if link > 0 and _moves(chain, link)]
    above, frames, levels = [0], [0], []
    while True:
        level = [link for link in moving if anchors[chain.parent[link]][0] in above and link not in frames]
        if not level:
            break
        levels.append(_level(chain, level, above, anchors))
        frames.extend(level)
        above = level
    ends = np.array([anchors[link][1] for link in wanted]).reshape(-1, 4, 4)
    return Plan(tuple(levels), [frames.index(anchors[link][0]) for link in wanted], ends)


def serial(chain: Chain, link: str) -> tuple[list[int], np.ndarray, np.ndarray]:
    """The way from the root to `link` as one serial chain, joints about or along their own z.

    Returns the D moving joints, the constants (D, 4, 4) from each joint's frame (first: the root) to the next, and the
    position (4,) of the link in the last joint's frame.

    Raises:
        KeyError: The link does not exist.
    """
    index = chain.link_index(link)
    anchor, end = _anchor(chain, index)
    moving = [anchor] if anchor else []
    while moving and (above := _anchor(chain, chain.parent[moving[0]])[0]):
        moving.insert(0, above)
    constants = [
        _anchor(chain, chain.parent[link])[1] @ chain.constant[link - 1] @ _align(chain.axis[link - 1])
        for link in moving
    ]
    return [link - 1 for link in moving], np.array(constants).reshape(-1, 4, 4), end[:, 3]


def _level(chain: Chain, links: list[int], above: list[int], anchors: dict[int, tuple[int, np.ndarray]]) -> Level:
    constants = []
    for link in links:
        _, fixed = anchors[chain.parent[link]]
        constants.append(fixed @ chain.constant[link - 1] @ _align(chain.axis[link - 1]))
    parents = [above.index(anchors[chain.parent[link]][0]) for link in links]
    return Level([link - 1 for link in links], parents, np.array(constants)[:, :3, :])


def _moves(chain: Chain, link: int) -> bool:
    return bool(chain.multiplier[link - 1] != 0.0)


def _anchor(chain: Chain, link: int) -> tuple[int, np.ndarray]:
    """The nearest link at or above `link` that a moving joint carries, and the constant from its frame to `link`."""
    constant = np.eye(4)
    while link > 0 and not _moves(chain, link):
        constant = chain.constant[link - 1] @ constant
        link = chain.parent[link]
    turned = np.eye(4) if link == 0 else inverse(_align(chain.axis[link - 1]))
    return link, turned @ constant


def _align(axis: np.ndarray) -> np.ndarray:
    """A rotation (4, 4) whose z column is `axis`."""
    helper = np.eye(3)[np.argmin(np.abs(axis))]
    x = np.cross(helper, axis)
    x /= np.linalg.norm(x)
    result = np.eye(4)
    result[:3, :3] = np.stack((x, np.cross(axis, x), axis), axis=1)
    return result
