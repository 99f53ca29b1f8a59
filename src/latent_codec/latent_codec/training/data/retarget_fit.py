"""The joints of all hands at once whose fingertips best match given ones: batched Levenberg-Marquardt in torch.

The objective is a sum over keyvectors, all differences of fingertips and a fixed palm point. With e_f the error of
fingertip f and w_fg the weight of a pair it is sum_f |e_f|^2 + sum_{f<g} w_fg |e_f - e_g|^2, a quadratic form of the
errors with the matrix 1 + diag(w 1) - w.
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

_DAMPING = (1e-3, 1e-6, 1e2)  # m2 for half a joint's range: first, least, largest


@dataclass(frozen=True, eq=False)
class Problem:
    """What a fit works on: H hands, J joints after padding.

    Attributes:
        lower, upper, rest: (H, 1, J) limits and the posture that joints prefer where fingertips leave a choice.
        pull: m that a joint half its range away from `rest` costs.
        owns: (H, 5, J) true where a joint moves the tip of a finger.
    """

    tips: GroupedTips
    lower: Tensor
    upper: Tensor
    rest: Tensor
    pull: float
    owns: Tensor

    @classmethod
    def build(cls, hands: Sequence[Embodiment], posture: str, pull: float) -> Problem:
        """For these hands; `posture` names the one that joints prefer."""
        tips = GroupedTips(hands)
        columns = [[hand.lower, hand.upper, hand.postures[posture]] for hand in hands]
        lower, upper, rest = (padded([row[i] for row in columns], tips) for i in range(3))
        owns = torch.stack([_owned(hand, tips.joint_mask.shape[1]) for hand in hands])
        return cls(tips, lower, upper, rest, pull, owns)


@dataclass(frozen=True, eq=False)
class Goal:
    """Fingertips t are wanted at `tips` (H, M, 5, 3) in the grasp frame, m; e = `scale` (H, 1) * (t - tips).

    `form` (H, M, 5, 5) is the matrix of the objective, zero for fingers a hand lacks.
    """

    tips: Tensor
    scale: Tensor
    form: Tensor

    def part(self, rows: slice) -> Goal:
        """The same for some of the M poses."""
        return Goal(self.tips[:, rows], self.scale, self.form[:, rows])


def quadratic_form(fingers: Tensor, weights: Tensor) -> Tensor:
    """The matrix (H, M, 5, 5) for the `fingers` (H, 5) that exist; `weights` (M, 5, 5) of pairs, diagonal zero."""
    exist = fingers.to(weights.dtype)[:, None]
    weights = weights * exist[..., None] * exist[..., None, :]
    return torch.diag_embed(weights.sum(-1) + exist) - weights


def objective(error: Tensor, form: Tensor) -> Tensor:
    """The sum over keyvectors (H, M) of the fingertip errors (H, M, 5, 3)."""
    return (error * (form @ error)).sum((-2, -1))


def solve(problem: Problem, goal: Goal, start: Tensor, iterations: int) -> tuple[Tensor, Tensor]:
    """Joints (H, M, J) within limits and the objective (H, M) in m2, from `start` (H, M, J)."""
    size, half = goal.scale[..., None, None], ((problem.upper - problem.lower) / 2).clamp_min(1e-6)
    damping = torch.full(goal.tips.shape[:2], _DAMPING[0])
    q, (tips, slopes) = start, _linearise(problem, start)
    price = _price(problem, goal, q, tips, half)
    for _ in range(iterations):
        tried = _step(problem, q, (goal.tips - tips) * size, slopes * size[..., None], goal.form, damping, half)
        moved, turned = _linearise(problem, tried)
        cost = _price(problem, goal, tried, moved, half)
        better = cost < price
        q, price = torch.where(better[..., None], tried, q), torch.minimum(cost, price)
        tips = torch.where(better[..., None, None], moved, tips)
        slopes = torch.where(better[..., None, None, None], turned, slopes)
        damping = torch.where(better, damping / 5, damping * 5).clamp(*_DAMPING[1:])
    return q, objective((tips - goal.tips) * size, goal.form)


def _price(problem: Problem, goal: Goal, q: Tensor, tips: Tensor, half: Tensor) -> Tensor:
    """The objective (H, M) and what joints cost that are away from where they prefer to be."""
    away = problem.pull * (q - problem.rest) / half
    return objective((tips - goal.tips) * goal.scale[..., None, None], goal.form) + away.square().sum(-1)


def _linearise(problem: Problem, q: Tensor) -> tuple[Tensor, Tensor]:
    """Fingertips (H, M, 5, 3) and their derivatives (H, M, 5, 3, J) by the joints."""
    q = q.detach().requires_grad_()
    tips = problem.tips(q)
    slopes = tips.new_zeros(*tips.shape, q.shape[-1])
    for group in _groups(problem.owns):
        for axis in range(3):
            (slope,) = torch.autograd.grad(tips[:, :, group, axis].sum(), q, retain_graph=True)
            for finger in group:
                slopes[:, :, finger, axis] = slope * problem.owns[:, None, finger]
    return tips.detach(), slopes


def _groups(owns: Tensor) -> list[list[int]]:
    """Fingers whose derivatives may be taken in one pass: all where no joint moves two, else each alone."""
    if int(owns.sum(1).max()) <= 1:
        return [list(range(len(FINGERS)))]
    return [[finger] for finger in range(len(FINGERS))]


def _step(
    problem: Problem, q: Tensor, error: Tensor, slopes: Tensor, form: Tensor, damping: Tensor, half: Tensor
) -> Tensor:
    """Joints after one damped step; those that sit at a limit and want to leave it are held."""
    weighted = (form @ slopes.flatten(3)).view_as(slopes).flatten(2, 3)
    preference = (problem.pull / half) ** 2
    gradient = (weighted * error.flatten(2)[..., None]).sum(2) - preference * (q - problem.rest)
    held = ((q <= problem.lower) & (gradient < 0)) | ((q >= problem.upper) & (gradient > 0))
    free = (~held).to(q.dtype)
    normal = (slopes.flatten(2, 3).transpose(-1, -2) @ weighted) * free[..., None] * free[..., None, :]
    normal.diagonal(dim1=-2, dim2=-1).add_(preference + damping[..., None] / half**2)
    factor = torch.linalg.cholesky_ex(normal)[0]
    change = torch.cholesky_solve((gradient * free)[..., None], factor)[..., 0]
    return torch.clamp(q + change, problem.lower, problem.upper)


def padded(values: Sequence[np.ndarray], tips: GroupedTips) -> Tensor:
    """Joints (n,) of each hand as (H, 1, J), padded with zeros."""
    result = torch.zeros(len(values), 1, tips.joint_mask.shape[1])
    for row, value in enumerate(values):
        result[row, 0, : len(value)] = torch.tensor(value.copy())
    return result


def _owned(hand: Embodiment, width: int) -> Tensor:
    """(5, J), true where a joint moves the tip of a finger."""
    chain, result = hand.kinematics.chain, torch.zeros(len(FINGERS), width, dtype=torch.bool)
    for finger, link in hand.tips.items():
        for index in chain.needed([chain.link_index(link)]):
            if chain.multiplier[index - 1] != 0.0:
                result[FINGERS.index(finger), int(chain.source[index - 1])] = True
    return result
