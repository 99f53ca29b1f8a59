"""How a finger is held, in the hand's own proportions, where millimetres between fingertips say little.

A larger hand that keeps the millimetres from thumb to fingertip bends a finger that is straight. So where a finger of
one hand is nearly open or nearly in the fist, and away from the thumb, another hand's is wanted as near to its own open
or closed place: as far from it as the source's is, in parts of the way of the fingertip from open to the fist.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from latent_codec.training.data import families
from latent_codec.training.group import HandGroup, thumb_vectors

NEAR = 0.1  # of the way from open to the fist: from here on a finger counts less
CONTACT = 0.03  # m from the thumb: within it millimetres count
LEAST = 1e-9  # weight, so that their sum is never zero


@dataclass(frozen=True, eq=False)
class Goals:
    """Where fingertips but the thumb's are wanted.

    `tips` (..., 4, 3) in m, in the grasp frame of the hand that shows them; `weight` (..., 4) from 0, where only the
    way to the thumb counts, to 1, where only this does; `travel` (..., 4), the way from open to the fist in m.
    """

    tips: Tensor
    weight: Tensor
    travel: Tensor

    def errors(self, tips: Tensor) -> Tensor:
        """Squared distances (..., 4) of fingertips (..., 5, 3) in m from the goals, in parts of the travel."""
        return (tips[..., 1:, :] - self.tips).square().sum(-1) / self.travel.square()


class Ends(nn.Module):
    """Fingertips (H, 4, 3) of each hand's fingers but the thumb when it is open and in the fist; none of grippers."""

    opened: Tensor
    closed: Tensor
    travel: Tensor
    shown: Tensor

    def __init__(self, group: HandGroup) -> None:
        super().__init__()
        opened = _fingertips(group, [hand.postures["open"] for hand in group.hands])
        closed = _fingertips(group, [families.fist(hand) for hand in group.hands])
        travel = torch.linalg.vector_norm(closed - opened, dim=-1).clamp(min=1e-3)
        shown = (group.finger_mask[:, 1:] & ~group.grippers[:, None]).float()
        for name, value in {"opened": opened, "closed": closed, "travel": travel, "shown": shown}.items():
            self.register_buffer(name, value, persistent=False)

    def goals(self, tips: Tensor, source: Tensor, others: Ends, target: Tensor) -> Goals:
        """Where other hands are to have their fingertips.

        Args:
            tips: Fingertips (..., B, 5, 3) in m of hands of this group.
            source: Their rows (...).
            others: The group of the hands that show them.
            target: Rows (...) of those; shapes broadcast.
        """
        travel, theirs = self.travel[source][..., None, :], others.travel[target][..., None, :]
        both = (self.shown[source] * others.shown[target])[..., None, :]
        places, weights = [], []
        for own, other in ((self.opened, others.opened), (self.closed, others.closed)):
            way = (tips[..., 1:, :] - own[source][..., None, :, :]) / travel[..., None]
            places.append(other[target][..., None, :, :] + theirs[..., None] * way)
            weights.append(torch.exp(-(way / NEAR).square().sum(-1)) + LEAST)
        total = weights[0] + weights[1]
        place = (weights[0][..., None] * places[0] + weights[1][..., None] * places[1]) / total[..., None]
        apart = 1 - torch.exp(-thumb_vectors(tips).square().sum(-1) / CONTACT**2)
        return Goals(place, total.clamp(max=1) * apart * both, theirs)


def _fingertips(group: HandGroup, joints: Sequence[np.ndarray]) -> Tensor:
    """Fingertips (H, 4, 3) but the thumb's of joints (n,) of each hand."""
    return group.tips(group.pad([torch.tensor(row.copy(), dtype=torch.float32)[None] for row in joints]))[:, 0, 1:]
