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
from latent_codec.training.shape import Goals

DECAY, DISTANCE, DIRECTION = 12.0, 2000.0, 5.0
SHAPE = 50.0  # for fingers in their own proportions, in place of the published terms: of (way / travel)^2
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

    def points(self, u: Tensor) -> Tensor:
        """Fingertips (M, 1 + F, 3) in m at u (M, n), the thumb's first."""
        return self.tips((self.middle + self.half * u)[None])[0][:, [self.thumb, *self.fingers]]

    def jacobian(self, u: Tensor, points: Tensor) -> Tensor:
        """Derivative (M, 1 + F, 3, n) of `points` (M, 1 + F, 3) by u, from differences taken into the limits."""
        step = torch.where(u > 0, -STEP, STEP)
        moved = u[:, None] + torch.diag_embed(step)
        ahead = self.points(moved.flatten(0, 1)).unflatten(0, (len(u), self.size))
        return ((ahead - points[:, None]) / step[:, :, None, None]).permute(0, 2, 3, 1)


def fit(
    wanted: np.ndarray,
    target: Embodiment,
    fingers: Sequence[str],
    settings: FitSettings,
    seed: int,
    goals: Goals | None = None,
) -> np.ndarray:
    """Joints (M, n) of `target` that do best.

    Args:
        wanted: Vectors (M, F, 3) in m from the thumb's tip to those of `fingers`.
        target: The hand.
        fingers: Those that count.
        settings: How thoroughly is sought.
        seed: Of the random library.
        goals: Of M poses, fingers that are wanted in the hand's own proportions; nowhere by default.
    """
    hand, library = TargetHand(target, fingers), _library(target, settings, seed)
    columns = [FINGERS.index(finger) - 1 for finger in fingers]
    vectors, count = torch.tensor(wanted, dtype=torch.float32), max(1, ROWS // settings.starts)
    tips, weight = torch.zeros_like(vectors), torch.zeros(vectors.shape[:2])
    travel = torch.ones_like(weight)
    if goals is not None:
        every = (goals.tips, goals.weight, goals.travel.expand_as(goals.weight))
        tips, weight, travel = (values[:, columns].float() for values in every)
    with torch.no_grad():
        parts = zip(*(values.split(count) for values in (vectors, tips, weight, travel)), strict=True)
        best = torch.cat([_fit_part(_Wanted(*part), hand, library, settings) for part in parts])
        return (hand.middle.double() + hand.half.double() * best.double()).numpy()


@dataclass(frozen=True, eq=False)
class _Wanted:
    """Vectors from the thumb (M, F, 3), and `Goals` (M, F, ...) of the fingers."""

    vectors: Tensor
    tips: Tensor
    weight: Tensor
    travel: Tensor

    def repeated(self, times: int) -> _Wanted:
        """The same several times in a row."""
        values = (self.vectors, self.tips, self.weight, self.travel)
        return _Wanted(*(value.repeat(times, *[1] * (value.dim() - 1)) for value in values))

    @property
    def pull(self) -> Tensor:
        """What a squared distance (M, F) from the place of a fingertip costs, 1/m^2."""
        return SHAPE * self.weight / self.travel.square()


def _library(target: Embodiment, settings: FitSettings, seed: int) -> Tensor:
    shape = (settings.starts, settings.library, len(target.joints))
    return torch.tensor(np.random.default_rng(seed).uniform(-1, 1, shape), dtype=torch.float32)


def _fit_part(wanted: _Wanted, hand: TargetHand, library: Tensor, settings: FitSettings) -> Tensor:
    starts = torch.cat([_closest(wanted, hand, poses) for poses in library])
    problem = _Problem(wanted.repeated(len(library)), hand)
    u, cost = _levenberg_marquardt(problem, starts, settings.iterations)
    best = cost.unflatten(0, (len(library), -1)).argmin(0)
    return u.unflatten(0, (len(library), -1))[best, torch.arange(len(wanted.vectors))]


def _closest(wanted: _Wanted, hand: TargetHand, poses: Tensor) -> Tensor:
    """For each of M `wanted`, the one of `poses` (K, n) of the lowest cost; costs as matrix products."""
    length, unit = _polar(wanted.vectors)
    weight = torch.exp(-DECAY * length) * (1 - wanted.weight)
    points = hand.points(poses)
    found, found_unit = _polar(points[:, 1:] - points[:, :1])
    product = torch.einsum("mf,mfd,kfd->mk", weight * DIRECTION, unit, found_unit)
    product += 2 * DISTANCE * (weight * length) @ found.T
    product += 2 * torch.einsum("mf,mfd,kfd->mk", wanted.pull, wanted.tips, points[:, 1:])
    cost = DISTANCE * weight @ found.square().T + wanted.pull @ points[:, 1:].square().sum(-1).T - product
    return poses[cost.argmin(1)]


class _Problem:
    """Residuals (M, 7 F) of the objective and their derivative."""

    def __init__(self, wanted: _Wanted, hand: TargetHand) -> None:
        self.hand, self.places = hand, wanted.tips
        self.length, self.unit = _polar(wanted.vectors)
        weight = torch.exp(-DECAY * self.length) * (1 - wanted.weight)
        scales = (weight * DISTANCE, weight * DIRECTION / 2, wanted.pull)
        distance, self.turn, self.pull = (scale.sqrt()[..., None] for scale in scales)
        self.distance = distance[..., 0]

    def residuals(self, points: Tensor) -> Tensor:
        """Residuals (M, R) of fingertips (M, 1 + F, 3), the thumb's first."""
        length, unit = _polar(points[:, 1:] - points[:, :1])
        turned, away = self.turn * (unit - self.unit), self.pull * (points[:, 1:] - self.places)
        return torch.cat([self.distance * (length - self.length), turned.flatten(1), away.flatten(1)], 1)

    def linearised(self, u: Tensor) -> tuple[Tensor, Tensor]:
        """Residuals (M, R) and their derivative (M, R, n) at u (M, n)."""
        points = self.hand.points(u)
        each = self.hand.jacobian(u, points)
        moves = each[:, 1:] - each[:, :1]
        length, unit = _polar(points[:, 1:] - points[:, :1])
        along = (unit[..., None] * moves).sum(2)
        turn = (moves - unit[..., None] * along[:, :, None]) / length[..., None, None]
        rows = [(self.turn[..., None] * turn).flatten(1, 2), (self.pull[..., None] * each[:, 1:]).flatten(1, 2)]
        return self.residuals(points), torch.cat([self.distance[..., None] * along, *rows], 1)


def _polar(vectors: Tensor) -> tuple[Tensor, Tensor]:
    length = torch.linalg.vector_norm(vectors, dim=-1).clamp_min(1e-6)
    return length, vectors / length[..., None]


def _levenberg_marquardt(problem: _Problem, u: Tensor, iterations: int) -> tuple[Tensor, Tensor]:
    """Refined u (M, n) in [-1, 1] and costs (M,); joints at a limit that the step would leave are held."""
    damping = torch.full((len(u), 1), 1e-2)
    cost = problem.residuals(problem.hand.points(u)).square().sum(1)
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
        trial_cost = problem.residuals(problem.hand.points(trial)).square().sum(1)
        better = trial_cost < cost
        u, cost = torch.where(better[:, None], trial, u), torch.where(better, trial_cost, cost)
        damping = torch.where(better[:, None], damping / 4, damping * 4).clamp(1e-6, 1e4)
    return u, cost
