"""Postures of a hand that joins a space and of the others, each with the best that the other side can do for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from latent_codec.evaluation.oracle import Oracle
from latent_codec.training import losses
from latent_codec.training.across import Across, Pairs
from latent_codec.training.crosshand_terms import Settings, matched_terms, noisy
from latent_codec.training.data.pools import CHUNK, MATCHING, SEED_OFFSET, Pools, fingertips, postures
from latent_codec.training.model import Space


@dataclass(frozen=True, eq=False)
class Match:
    """Postures of another hand: their latents (K, N), the new hand's best for them, joints (1, K, J) and fingertips."""

    latents: Tensor
    joints: Tensor
    best: Pairs


class AddedMatches(nn.Module):
    """The terms of `crosshand` on matched postures, with one side of each pair of hands frozen.

    Grippers are not matched.

    Args:
        pools: The postures of the new hand, and of the others.
        spaces: The space of the new hand alone, and the frozen one of the others.
        settings: Of the recipe.
        seed: Of all random numbers.
    """

    tips: Tensor
    latents: Tensor
    best: Tensor
    best_tips: Tensor
    own: Tensor
    own_tips: Tensor
    answer_tips: Tensor
    answers: Tensor

    def __init__(self, pools: tuple[Pools, Pools], spaces: tuple[Space, Space], settings: Settings, seed: int) -> None:
        super().__init__()
        self.space, self.frozen = spaces
        self.settings, self.count = settings, settings.matched
        mine, group = self.space.group, self.frozen.group
        self.rows = group.of_kind("hand", "human")
        self.shown, self.received = Across(mine, group), Across(group, mine)
        oracle, seed = Oracle(seed=SEED_OFFSET + seed, settings=MATCHING), SEED_OFFSET + seed
        (robot,), new = mine.hands, torch.tensor(0)
        (own, own_tips), (theirs, tips) = (pool.batch(self.count, np.random.default_rng(seed)) for pool in pools)
        # postures of the others, what they encode to, and the best of the new hand for them
        self._fix("tips,latents", tips[self.rows], encoded(self.frozen, theirs, tips)[self.rows])
        best = []
        for row in self.rows:
            goals = self.received.goals(tips[row], torch.tensor(row), new)
            best.append(oracle.best(postures(group, theirs, row), robot, goals).joints)
        joints = torch.tensor(np.stack(best), dtype=torch.float32)
        self._fix("best,best_tips", joints, torch.cat([fingertips(mine, part[None]) for part in joints]))
        # postures of the new hand, the best of the others for them, and what that encodes to
        self._fix("own,own_tips", own, own_tips)
        answers = []
        for row in self.rows:
            goals = self.shown.goals(own_tips[0], new, torch.tensor(row))
            answers.append(oracle.best(postures(mine, own, 0), group.hands[row], goals).joints)
        self._fix("answer_tips,answers", *self._known(answers))

    def _fix(self, names: str, *tensors: Tensor) -> None:
        """Keep tensors that move to a device with this module."""
        for name, values in zip(names.split(","), tensors, strict=True):
            self.register_buffer(name, values, persistent=False)

    def _known(self, joints: Sequence[np.ndarray]) -> tuple[Tensor, Tensor]:
        """Fingertips (R, M, 5, 3) and latents (R, M, N) of joints (M, n) of each of the others that are no grippers."""
        group = self.frozen.group
        everyone = group.middle.repeat(1, len(joints[0]), 1)
        everyone[self.rows] = group.pad([torch.tensor(part, dtype=torch.float32) for part in joints])
        tips = fingertips(group, everyone)
        return tips[self.rows], encoded(self.frozen, everyone, tips)[self.rows]

    def terms(self, noise: Tensor, rng: np.random.Generator) -> dict[str, Tensor]:
        """Loss terms of one step, half of them from poses of one other hand, half from poses of the new one."""
        rows = torch.from_numpy(rng.integers(self.count, size=self.settings.matched_batch))
        theirs = self._theirs(self._match(int(rng.integers(len(self.latents))), rows), noise, rng)
        own = self._own(rows, noise, rng)
        return {name: (theirs[name] + own[name]) / 2 for name in theirs}

    def draw(self, size: int, rng: np.random.Generator) -> Match:
        """`size` postures of one of the others, both drawn at random."""
        hand = int(rng.integers(len(self.latents)))
        return self._match(hand, torch.from_numpy(rng.integers(self.count, size=size)))

    def _match(self, hand: int, rows: Tensor) -> Match:
        tips, best_tips = self.tips[hand, rows][None], self.best_tips[hand, rows][None]
        best = self.received.pairs(tips, torch.tensor([self.rows[hand]]), best_tips, torch.arange(1))
        return Match(self.latents[hand, rows], self.best[hand, rows][None], best)

    def _theirs(self, match: Match, noise: Tensor, rng: np.random.Generator) -> dict[str, Tensor]:
        """The new hand's best for poses of another encodes to their latent, and that decodes to it."""
        mine = self.space.encode(match.joints, match.best.tips)
        decoded = self.space.group.tips(self.space.decode(noisy(match.latents, noise, rng)[None]))
        return self._terms(match.latents, mine, decoded, match.best)

    def _own(self, rows: Tensor, noise: Tensor, rng: np.random.Generator) -> dict[str, Tensor]:
        """Poses of the new hand encode to what the others' best for them encode to, and decode to those."""
        tips = self.own_tips[0, rows]
        found = self.space.encode(self.own[:, rows], tips[None])
        given = noisy(found, noise, rng).expand(len(self.frozen.group.names), -1, -1)
        decoded = self.frozen.group.tips(self.frozen.decode(given))[self.rows]
        best = self.shown.pairs(tips[None], torch.arange(1), self.answer_tips[:, rows], torch.tensor(self.rows))
        return self._terms(found[0], self.answers[:, rows], decoded, best)

    def _terms(self, source: Tensor, latents: Tensor, decoded: Tensor, best: Pairs) -> dict[str, Tensor]:
        moments = losses.moment_gap(torch.cat([latents, source[None]]))
        terms = matched_terms(source, latents, decoded, best, self.settings)
        return {**terms, "matched_moments": self.settings.moments * moments}


def encoded(space: Space, joints: Tensor, tips: Tensor) -> Tensor:
    """Latents (H, M, N) of joints (H, M, J) and their fingertips, in pieces that stay in the cache, no gradient."""
    with torch.no_grad():
        pieces = zip(joints.split(CHUNK, dim=1), tips.split(CHUNK, dim=1), strict=True)
        return torch.cat([space.encode(*piece) for piece in pieces], dim=1)
