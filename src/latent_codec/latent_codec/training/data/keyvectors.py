"""What retargeting compares: keyvectors between fingertips and from a palm point, and a gripper's opening."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from embodiments.registry import Embodiment
from latent_codec.training.data.poses import grasp_tips

_NEAR = 0.02  # m, how close to a pinch emphasis begins


def opening(tips: np.ndarray, width: float) -> np.ndarray:
    """A gripper's opening (M,) of 0 .. 1 at a human's fingertips (M, 5, 3): LAD's rule."""
    return np.minimum(np.linalg.norm(tips[:, 1:] - tips[:, :1], axis=-1).min(axis=1) / width, 1.0)


def gripper_joints(gripper: Embodiment, share: np.ndarray) -> np.ndarray:
    """Joints (M, n) at which the pads are apart by `share` (M,) of all they can be."""
    line = np.linspace(gripper.lower, gripper.upper, 201)
    tips = grasp_tips(gripper, line)
    gap = np.linalg.norm(tips[:, 1] - tips[:, 0], axis=-1)
    order = np.argsort(gap)
    wanted = gap.min() + share * np.ptp(gap)
    return np.stack([np.interp(wanted, gap[order], joint[order]) for joint in line.T], axis=-1)


def palm(hand: Embodiment, fingers: Sequence[str]) -> np.ndarray:
    """The mean (3,) in the grasp frame, m, of the first joints of those `fingers` that are no thumb."""
    chain = hand.kinematics.chain
    knuckles = []
    for finger in fingers:
        if finger != "thumb":
            way = chain.needed([chain.link_index(hand.tips[finger])])
            knuckles.append(chain.links[next(link for link in way if chain.multiplier[link - 1] != 0.0)])
    poses = hand.kinematics.forward(hand.postures["open"], knuckles)
    return (np.linalg.inv(hand.grasp_frame) @ poses.mean(axis=0)[:, 3])[:3]


def scale(human: Embodiment, hand: Embodiment, rule: str) -> float:
    """What a robot's keyvectors are multiplied by to compare with the human's: the ratio of sizes by `rule` at `open`.

    `reach`: mean length palm to fingertip. `span`: thumb to the middle fingertip, or the last there is.
    """
    fingers = [finger for finger in human.tips if finger in hand.tips]
    return _size(human, fingers, rule) / _size(hand, fingers, rule)


def _size(hand: Embodiment, fingers: list[str], rule: str) -> float:
    rows = [list(hand.tips).index(finger) for finger in fingers]
    tips = grasp_tips(hand, hand.postures["open"][None])[0, rows]
    if rule == "span":
        far = fingers.index("middle") if "middle" in fingers else -1
        return float(np.linalg.norm(tips[far] - tips[0]))
    return float(np.linalg.norm(tips - palm(hand, fingers), axis=-1).mean())


def pair_weights(tips: Tensor, emphasis: float) -> Tensor:
    """Weights (M, 5, 5) of the vectors between the human's fingertips (M, 5, 3): 1, the thumb's emphasised.

    Those between thumb and finger get 1 + `emphasis` exp(-distance / 20 mm).
    """
    weights = (1 - torch.eye(5)).repeat(len(tips), 1, 1)
    near = emphasis * torch.exp(-torch.linalg.vector_norm(tips[:, 1:] - tips[:, :1], dim=-1) / _NEAR)
    weights[:, 0, 1:] += near
    weights[:, 1:, 0] += near
    return weights
