"""The best that a hand can do for given thumb-to-finger vectors: direct optimisation of its joints, in torch.

The objective is the published one (L2 of XL-VLA): per finger exp(-12 |d|) (2000 (|d'| - |d|)^2 + 5 (1 - cos)), d the
wanted and d' the found vector in m. It is a sum of squares, as 1 - cos is half the squared difference of the unit
vectors, so each pose is solved by Levenberg-Marquardt within the joints' limits, from the best poses of a random
library. All poses and starts of a pair of hands go through the same operations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from embodiments.registry import Embodiment
from embodiments.schema import FINGERS
from embodiments.torch_tips import GroupedTips

DECAY, DISTANCE, DIRECTION = 12.0, 2000.0, 5.0
STEP = 1e-3  # of the normalised joints, for differences
ROWS = 8192


@dataclass(frozen=True)
class FitSettings:
    """`starts` poses are refined for each, the best of `library` random poses each, in `iterations` steps."""

    starts: int = 4
    library: int = 8192
    iterations: int = 20


class TargetHand:
    """The hand whose joints are sought, in normalised joints u in [-1, 1]."""

    def __init__(self, hand: Embodiment, fingers: Sequence[str]) -> None:
        self.tips = GroupedTips([hand])
        self.fingers = [FINGERS.index(finger) for finger in fingers]
        self.thumb = FINGERS.index("thumb")
        self.size = len(hand.joints)
        self.middle, self.half = (
            torch.tensor(x, dtype=torch.float32) for x in ((hand.lower + hand.upper) / 2, (hand.upper - hand.lower) / 2)
        )

    def vectors(self, u: Tensor) -> Tensor:
        """Thumb-to-finger vectors (M, F, 3) in m at u (M, n)."""
        tips = self.tips((self.middle + self.half * u)[None])[0]
        return tips[:, self.fingers] - tips[:, [self.thumb]]

    def jacobian(self, u: Tensor, vectors: Tensor) -> Tensor:
        """Derivative (M, F, 3, n) of `vectors` (M, F, 3) by u, from differences taken into the limits."""
        step = torch.where(u > 0, -STEP, STEP)
        moved = u[:, None] + torch.diag_embed(step)
        ahead = self.vectors(moved.flatten(0, 1)).unflatten(0, (len(u), self.size))
        return ((ahead - vectors[:, None]) / step[:, :, None, None]).permute(0, 2, 3, 1)


def fit(wanted: np.ndarray, target: Embodiment, fingers: Sequence[str], settings: FitSettings, seed: int) -> np.ndarray:
    """Joints (M, n) of `target` that do best for the vectors `wanted` (M, F, 3) in m to `fingers`."""
    hand, library = TargetHand(target, fingers), _library(target, settings, seed)
    with torch.no_grad():
        parts = torch.tensor(wanted, dtype=torch.float32).split(max(1, ROWS // settings.starts))
        best = torch.cat([_fit_part(part, hand, library, settings) for part in parts])
        return (hand.middle.double() + hand.half.double() * best.double()).numpy()


def _library(target: Embodiment, settings: FitSettings, seed: int) -> Tensor:
    shape = (settings.starts, settings.library, len(target.joints))
    return torch.tensor(np.random.default_rng(seed).uniform(-1, 1, shape), dtype=torch.float32)


def _fit_part(wanted: Tensor, hand: TargetHand, library: Tensor, settings: FitSettings) -> Tensor:
    starts = torch.cat([_closest(wanted, hand, poses) for poses in library])
    problem = _Problem(wanted.repeat(len(library), 1, 1), hand)
    u, cost = _levenberg_marquardt(problem, starts, settings.iterations)
    best = cost.unflatten(0, (len(library), -1)).argmin(0)
    return u.unflatten(0, (len(library), -1))[best, torch.arange(len(wanted))]


def _closest(wanted: Tensor, hand: TargetHand, poses: Tensor) -> Tensor:
    """For each of `wanted` (M, F, 3), the one of `poses` (K, n) of the lowest cost; costs as one matrix product."""
    length, unit = _polar(wanted)
    weight = torch.exp(-DECAY * length)
    found, found_unit = _polar(hand.vectors(poses))
    product = torch.einsum("mf,mfd,kfd->mk", weight * DIRECTION, unit, found_unit)
    product += 2 * DISTANCE * (weight * length) @ found.T
    return poses[(DISTANCE * weight @ found.square().T - product).argmin(1)]


class _Problem:
    """Residuals (M, 4 F) of the objective and their derivative."""

    def __init__(self, wanted: Tensor, hand: TargetHand) -> None:
        self.hand = hand
        self.length, self.unit = _polar(wanted)
        weight = torch.exp(-DECAY * self.length)
        self.scales = (weight * DISTANCE).sqrt(), (weight * DIRECTION / 2).sqrt()[..., None]

    def residuals(self, vectors: Tensor) -> Tensor:
        length, unit = _polar(vectors)
        return torch.cat([self.scales[0] * (length - self.length), (self.scales[1] * (unit - self.unit)).flatten(1)], 1)

    def linearised(self, u: Tensor) -> tuple[Tensor, Tensor]:
        """Residuals (M, R) and their derivative (M, R, n) at u (M, n)."""
        vectors = self.hand.vectors(u)
        moves = self.hand.jacobian(u, vectors)
        length, unit = _polar(vectors)
        along = (unit[..., None] * moves).sum(2)
        turn = (moves - unit[..., None] * along[:, :, None]) / length[..., None, None]
        rows = [self.scales[0][..., None] * along, (self.scales[1][..., None] * turn).flatten(1, 2)]
        return self.residuals(vectors), torch.cat(rows, 1)


def _polar(vectors: Tensor) -> tuple[Tensor, Tensor]:
    length = torch.linalg.vector_norm(vectors, dim=-1).clamp_min(1e-6)
    return length, vectors / length[..., None]


def _levenberg_marquardt(problem: _Problem, u: Tensor, iterations: int) -> tuple[Tensor, Tensor]:
    """Refined u (M, n) in [-1, 1] and costs (M,); joints at a limit that the step would leave are held."""
    damping = torch.full((len(u), 1), 1e-2)
    cost = problem.residuals(problem.hand.vectors(u)).square().sum(1)
    for _ in range(iterations):
        residuals, derivative = problem.linearised(u)
        gradient = torch.bmm(residuals[:, None], derivative)[:, 0]
        free = ~(((u <= -1) & (gradient > 0)) | ((u >= 1) & (gradient < 0)))
        derivative = derivative * free[:, None]
        normal = torch.bmm(derivative.transpose(1, 2), derivative)
        diagonal = normal.diagonal(dim1=1, dim2=2)
        diagonal += damping * diagonal + 1e-6 + (~free).float()
        step = torch.cholesky_solve((gradient * free)[..., None], torch.linalg.cholesky_ex(normal)[0])[..., 0]
        trial = (u - step.nan_to_num()).clamp(-1, 1)
        trial_cost = problem.residuals(problem.hand.vectors(trial)).square().sum(1)
        better = trial_cost < cost
        u, cost = torch.where(better[:, None], trial, u), torch.where(better, trial_cost, cost)
        damping = torch.where(better[:, None], damping / 4, damping * 4).clamp(1e-6, 1e4)
    return u, cost
