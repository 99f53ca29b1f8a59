"""Paired poses: human poses retargeted to every robot, as LAD does (arXiv 2506.14608).

A hand gets the joints that minimise the sum over keyvectors |v^H - s v^R|^2: palm to each fingertip and each fingertip
to each other, in the axes of the grasp frame, without those of fingers it lacks. Not published there and chosen here:

- palm: the mean of the knuckles (first joints of the fingers but the thumb) that both hands have, so that the vectors
  say how fingers are bent and not where a wrist is;
- scale s: by the rule `scale` (`reach`: ratio of the hands' mean lengths palm to fingertip at `open`; `span`: of the
  distances thumb to middle fingertip there), or the number that `scales` gives for a robot;
- where fingertips leave joints free, these stay near `pregrasp`: half a range away costs as much as `rest` m of error;
- the best of `scout` steps from each of the postures open, pregrasp and grasp is solved in `iterations` more.

Not LAD's, and off by default: `emphasis` E multiplies the weight of a vector between thumb and finger by
1 + E exp(-|v^H| / 20 mm), so that a pinch closes at the cost of vectors that matter less.

A gripper gets the opening min(min_i |v_i^H| / W, 1) over the vectors from the thumb's tip to the other fingertips. W is
`width`, the stroke of the larger grippers: in that range the pads are about as far apart as the human's fingertips.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from contracts.files import read_bytes
from embodiments.registry import Embodiment
from latent_codec.training.config import ConfigError, Strict
from latent_codec.training.data import array_cache
from latent_codec.training.data.human_poses import MAX_BYTES, PoseFile, Source, Synthetic, human_poses
from latent_codec.training.data.inputs import input_hash
from latent_codec.training.data.keyvectors import gripper_joints, opening, pair_weights, palm, scale
from latent_codec.training.data.poses import grasp_tips
from latent_codec.training.data.retarget_fit import Goal, Problem, objective, padded, quadratic_form, solve

STARTS = ("open", "pregrasp", "grasp")
_VERSION = 1  # of this method; another one makes cached pairs stale
_CHUNK = 1000


class RetargetSettings(Strict):
    """How human poses are made and retargeted; the module says what the fields mean."""

    sources: tuple[Source, ...] = Field(default=(Synthetic(),), min_length=1)
    scale: Literal["reach", "span"] = "reach"
    scales: dict[str, Annotated[float, Field(gt=0)]] = Field(default_factory=dict)
    rest: float = Field(default=0.002, gt=0)
    emphasis: float = Field(default=0.0, ge=0)
    width: float = Field(default=0.085, gt=0)
    scout: int = Field(default=8, ge=0)
    iterations: int = Field(default=15, ge=1)


@dataclass(frozen=True, eq=False)
class Retargeted:
    """Joints (M, n) of each robot in its own units, float32, and of hands the RMS error (M,) of a keyvector in m."""

    joints: dict[str, np.ndarray]
    residual: dict[str, np.ndarray]


def pairs(
    human: Embodiment, robots: Sequence[Embodiment], count: int, seed: int, settings: RetargetSettings, cache: Path
) -> dict[str, np.ndarray]:
    """Joints (count, n) float32 of the human and of every robot by name; row i of all is the same pose.

    Computed once: `cache` is a folder of .safetensors files named by a hash of robots, settings, files, count and seed.
    Raises ConfigError for a file of poses that cannot be used.
    """
    path = cache / f"pairs-{_key(human, robots, count, seed, settings)}.safetensors"
    found = array_cache.load(path, {robot.name: (count, len(robot.joints)) for robot in (human, *robots)})
    if found is not None:
        return found
    poses = human_poses(human, settings.sources, count, seed)
    joints = retarget(human, robots, poses, settings).joints | {human.name: _single(human, poses)}
    array_cache.save(path, joints)
    return joints


def retarget(
    human: Embodiment, robots: Sequence[Embodiment], poses: np.ndarray, settings: RetargetSettings
) -> Retargeted:
    """Retarget human `poses` (M, n) in rad to `robots`, all hands together."""
    hands = [robot for robot in robots if robot.kind != "gripper"]
    result = Retargeted({}, {})
    tips = grasp_tips(human, poses)
    for robot in robots:
        if robot.kind == "gripper":
            result.joints[robot.name] = _single(robot, gripper_joints(robot, opening(tips, settings.width)))
    if hands:
        _retarget_hands(human, hands, torch.tensor(tips, dtype=torch.float32), settings, result)
    return result


def _retarget_hands(
    human: Embodiment, hands: Sequence[Embodiment], tips: Tensor, settings: RetargetSettings, result: Retargeted
) -> None:
    """Fill in joints and residuals of `hands` for human fingertips (M, 5, 3)."""
    problem = Problem.build(hands, "pregrasp", settings.rest)
    scales = torch.tensor([[_scale(human, hand, settings)] for hand in hands], dtype=torch.float32)
    fingers = [[finger for finger in human.tips if finger in hand.tips] for hand in hands]
    ours = torch.tensor(np.stack([palm(human, names) for names in fingers]), dtype=torch.float32)[:, None, None]
    theirs = torch.tensor(np.stack([palm(h, n) for h, n in zip(hands, fingers, strict=True)]), dtype=torch.float32)
    wanted = (tips - ours) / scales[..., None, None] + theirs[:, None, None]
    goal = Goal(wanted, scales, quadratic_form(problem.tips.finger_mask, pair_weights(tips, settings.emphasis)))
    starts = [padded([hand.postures[name] for hand in hands], problem.tips) for name in STARTS]
    chunks = [slice(first, first + _CHUNK) for first in range(0, len(tips), _CHUNK)]
    parts = [_best(problem, goal.part(rows), starts, settings) for rows in chunks]
    joints, residual = (torch.cat([part[i] for part in parts], dim=1).numpy() for i in range(2))
    for row, hand in enumerate(hands):
        result.joints[hand.name] = _single(hand, joints[row, :, : len(hand.joints)])
        result.residual[hand.name] = residual[row]


def _best(problem: Problem, goal: Goal, starts: list[Tensor], settings: RetargetSettings) -> tuple[Tensor, Tensor]:
    """Joints (H, M, J), of a few steps from each start the best and then solved, and the RMS keyvector error (H, M)."""
    count = goal.tips.shape[1]
    tried = [solve(problem, goal, start.expand(-1, count, -1), settings.scout) for start in starts]
    joints, price = (torch.stack([attempt[i] for attempt in tried]) for i in range(2))
    best = price.argmin(0, keepdim=True)[..., None].expand(-1, -1, -1, joints.shape[-1])
    joints, _ = solve(problem, goal, joints.gather(0, best)[0], settings.iterations)
    fingers = problem.tips.finger_mask
    error = (problem.tips(joints) - goal.tips) * goal.scale[..., None, None]
    total = objective(error, quadratic_form(fingers, 1 - torch.eye(5)[None])).clamp_min(0)
    return joints, torch.sqrt(2 * total / (fingers.sum(1) * (fingers.sum(1) + 1))[:, None])


def _scale(human: Embodiment, hand: Embodiment, settings: RetargetSettings) -> float:
    return settings.scales[hand.name] if hand.name in settings.scales else scale(human, hand, settings.scale)


def _single(robot: Embodiment, joints: np.ndarray) -> np.ndarray:
    """Joints (M, n) as float32, within limits that are rounded inwards."""
    lower, upper = robot.lower.astype(np.float32), robot.upper.astype(np.float32)
    lower = np.where(lower < robot.lower, np.nextafter(lower, np.float32(np.inf)), lower)
    upper = np.where(upper > robot.upper, np.nextafter(upper, np.float32(-np.inf)), upper)
    return np.clip(joints.astype(np.float32), lower, upper)


def _key(human: Embodiment, robots: Sequence[Embodiment], count: int, seed: int, settings: RetargetSettings) -> str:
    """A hash of all that pairs depend on; a file of poses counts with its content."""
    digest = hashlib.sha256(f"{_VERSION} {count} {seed} {settings.model_dump_json()}".encode())
    for robot in (human, *robots):
        digest.update(f"{robot.name} {robot.kind} {input_hash(robot)}".encode())
    for source in settings.sources:
        if isinstance(source, PoseFile):
            digest.update(read_bytes(source.path, MAX_BYTES, ConfigError))
    return digest.hexdigest()[:20]
