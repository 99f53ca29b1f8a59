"""What one hand is to show of the postures of another: the fingers that both have, and what each counts for."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from latent_codec.training.group import HandGroup, thumb_vectors
from latent_codec.training.shape import Ends, Goals

SHOWN = ("grasp", "pregrasp")


@dataclass(frozen=True, eq=False)
class Pairs:
    """Fingertips `wanted` (..., B, 5, 3) and found, `tips`, in m; `share` (..., 1) is what a pair of hands counts.

    `common` (..., 1, 4) is 1 for fingers besides the thumb that both hands have, else 0. `goals`: where fingers are
    wanted whose way to the thumb says little.
    """

    wanted: Tensor
    tips: Tensor
    common: Tensor
    share: Tensor
    goals: Goals


class Across(nn.Module):
    """Pairs of hands of two groups, which may be the same.

    Args:
        sources: The hands that postures are of.
        targets: Those that show them.
        hands: What a pair of hands counts.
        grippers: What a pair with a gripper counts.
    """

    _own: Tensor
    _other: Tensor

    def __init__(self, sources: HandGroup, targets: HandGroup, hands: float = 1.0, grippers: float = 1.0) -> None:
        super().__init__()
        self.sources, self.targets, self._shares = sources, targets, (hands, grippers)
        self.ends, self.others = Ends(sources), Ends(targets)
        for name, group in (("_own", sources), ("_other", targets)):
            self.register_buffer(name, _openings(group), persistent=False)

    def pairs(self, wanted: Tensor, source: Tensor, tips: Tensor, target: Tensor) -> Pairs:
        """What `target` hands made of the postures of `source` hands.

        Args:
            wanted: Fingertips (..., B, 5, 3) of the postures, m.
            source: Rows (...) of the hands that they are of.
            tips: Fingertips (..., B, 5, 3) of what was made of them, m.
            target: Rows (...) of the hands that made it; shapes broadcast.
        """
        fingers = self.sources.finger_mask[:, 1:][source]
        common = (fingers & self.targets.finger_mask[:, 1:][target])[..., None, :].float()
        grippers = self.targets.grippers[target]
        share = torch.where(grippers | self.sources.grippers[source], self._shares[1], self._shares[0])[..., None]
        driven = (self.sources.grippers[source] & ~grippers)[..., None, None, None]
        seen = torch.where(grippers[..., None, None, None], nearest_as_index(wanted, fingers), wanted)
        seen = torch.where(driven, self._closed_alike(wanted, source, target), seen)
        return Pairs(seen, tips, common, share.to(tips.dtype), self.goals(wanted, source, target))

    def _closed_alike(self, wanted: Tensor, source: Tensor, target: Tensor) -> Tensor:
        """Fingertips (..., B, 5, 3) of a gripper with its index as far from the thumb as a hand's is that closes alike.

        Closed is closed, `grasp` is the hand's grasp and `pregrasp` its pregrasp, linear in between: a gripper that
        closes closes every hand. In millimetres it would not, as hands around a can are closed farther than a gripper.
        """
        thumb, vector = wanted[..., :1, :], wanted[..., 1:2, :] - wanted[..., :1, :]
        opening = torch.linalg.vector_norm(vector, dim=-1, keepdim=True)
        own, other = (
            openings[rows].movedim(-1, 0)[..., None, None, None]
            for openings, rows in ((self._own, source), (self._other, target))
        )
        beyond = (opening - own[0]) / (own[1] - own[0]).clamp(min=1e-3)
        closed = opening / own[0].clamp(min=1e-3) * other[0]
        alike = torch.where(opening < own[0], closed, other[0] + beyond * (other[1] - other[0]))
        index = thumb + vector * (alike / opening.clamp(min=1e-4))
        parts = (thumb, index, wanted[..., 2:, :])
        return torch.cat([part.expand(*index.shape[:-2], *part.shape[-2:]) for part in parts], dim=-2)

    def goals(self, wanted: Tensor, source: Tensor, target: Tensor) -> Goals:
        """Where `target` hands are to have their fingertips for `wanted` (..., B, 5, 3) in m of `source` hands."""
        return self.ends.goals(wanted, source, self.others, target)


def _openings(group: HandGroup) -> Tensor:
    """Distances (H, 2) in m from thumb to index at `grasp` and `pregrasp`."""
    rows = [[torch.tensor(hand.postures[name].copy(), dtype=torch.float32) for name in SHOWN] for hand in group.hands]
    vectors = thumb_vectors(group.tips(group.pad([torch.stack(row) for row in rows])))
    return torch.linalg.vector_norm(vectors[:, :, 0], dim=-1)


def nearest_as_index(tips: Tensor, fingers: Tensor) -> Tensor:
    """Fingertips (..., B, 5, 3) with the one that is nearest to the thumb as the index.

    So a gripper closes on a pinch of any finger, as LAD's do (arXiv 2506.14608). `fingers` (..., 4) exist.
    """
    distance = torch.linalg.vector_norm(thumb_vectors(tips), dim=-1)
    nearest = distance.masked_fill(~fingers[..., None, :], torch.inf).argmin(-1)
    index = tips[..., 1:, :].gather(-2, nearest[..., None, None].expand(*nearest.shape, 1, 3))
    return torch.cat([tips[..., :1, :], index, tips[..., 2:, :]], dim=-2)
