"""Crosshand: reconstruct each hand, share thumb-to-finger vectors, and let no hand be recognised by its latents.

Terms, in the grasp frame and through differentiable kinematics:

- `reconstruction`; `statistics`: unit variance of the latent, on which noise must not matter;
- `distance`, `direction`: of thumb-to-finger vectors across hands (after L2 of XL-VLA, arXiv 2603.10158), robust;
- `shape`: of fingers that are nearly open or in the fist, each hand in its own proportions instead;
- `distill`: a latent decodes to the best that the target hand can do for the pose, found by direct optimisation. That
  can always be met, so what no hand can do does not compete with what it can;
- `cycle`, `align`: a decoded pose, and the best of another hand, encode to the latent of the pose that they stand for,
  as far as the hand could do it; `contrast`: nearer to it than to those of others (after LAD, arXiv 2506.14608);
- `moments`: latents of all hands' versions of the same poses have the same mean and covariance;
- `smoothness`: fingertips move without jerk along straight lines in the latent space; `driven`: and while a gripper
  closes that drives them;
- `anchor_latent`, `anchor_joints`: every hand closed by the same share, from open over pregrasp to grasp, shares one
  latent and decodes to the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from embodiments import Embodiment
from latent_codec.training import crosshand_terms as terms
from latent_codec.training import losses
from latent_codec.training.across import Across, Pairs
from latent_codec.training.config import Strict, TrainingConfig
from latent_codec.training.crosshand_terms import Settings
from latent_codec.training.data.pools import (
    CLOSER,
    Anchors,
    MatchedPoses,
    Pools,
    PoolSettings,
    human_pinches,
    latent_spread,
    of_all_families,
    weighted_mean,
)
from latent_codec.training.model import Space
from latent_codec.training.recipes.decoders import Decoders, DecoderSettings


@dataclass(frozen=True, eq=False)
class Decoded:
    """What H decoders made of latents of S hands each, B poses a hand.

    sources: (H, S) rows of those hands, first the decoder's own. latents: (H, S, B, N) before noise.
    joints: (H, S, B, J). pairs: fingertips of the poses that the latents stand for, and of what was decoded.
    """

    sources: Tensor
    latents: Tensor
    joints: Tensor
    pairs: Pairs


class Crosshand(nn.Module):
    """See the module. Batches and noise of step k come from random numbers of (seed, k) alone."""

    real: Tensor

    Settings: ClassVar[type[Strict]] = Settings
    DecoderSettings: ClassVar[type[Strict]] = DecoderSettings

    def __init__(self, hands: Sequence[Embodiment], config: TrainingConfig, settings: Settings) -> None:
        super().__init__()
        s = self.settings = settings
        self.seed = config.seed
        torch.manual_seed(config.seed)
        self.space = Space(hands, config.latent_dim, s.encoder, s.decoder)
        self.group = self.space.group
        self.hands = self.group.of_kind("hand", "human") or list(range(len(hands)))
        self.grippers = torch.tensor(self.group.of_kind("gripper"), dtype=torch.long)
        self.anchors = Anchors(hands, self.group, s.anchors)
        self.across = Across(self.group, self.group, s.direct, s.gripper_share)
        self.pools = Pools(hands, self.group, PoolSettings(s.pool, s.families, s.noise), config.seed)
        several = self.hands if len(self.hands) > 1 and s.matched else []
        wanted = of_all_families(self.pools, several, s.matched, config.seed)
        self.matched = MatchedPoses(self.group, self.hands, wanted, config.seed)
        real = torch.zeros(len(hands))
        real[self.hands] = 1
        self.register_buffer("real", real, persistent=False)

    def loss(self, step: int) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Loss and parts of one step."""
        s, rng = self.settings, np.random.default_rng([self.seed, step])
        joints, tips = self.pools.batch(s.batch, rng)
        anchors, defined = self.anchors.draw(rng)
        latents, anchor_latents = self.space.encode(joints, tips), self.space.encode(anchors)
        sources = self._sources(rng)
        decoded, again = self._decode(latents, tips, anchor_latents, sources, rng)
        own = terms.unit_error(self.group, decoded.joints[:, 0], joints)
        tied = terms.unit_error(self.group, again, anchors[:, None])
        parts = {
            "reconstruction": s.reconstruction * own.mean(),
            "anchor_joints": s.anchor_joints * weighted_mean(tied, defined[sources]),
            "anchor_latent": s.anchor_latent * latent_spread(anchor_latents, defined),
            "statistics": s.statistics * losses.unit_statistics(latents[self.hands]),
            **terms.vector_terms(decoded.pairs, s),
            **self._sharing_terms(decoded),
            **self._matched_terms(rng),
            "smoothness": s.smoothness * terms.squared_jerk(self.space, latents.detach().flatten(0, 1), s.lines, rng),
        }
        if len(self.grippers):
            parts["driven"] = s.driven * terms.driven_jerk(self.space, self.grippers, s.driven_lines, rng)
        return torch.stack(list(parts.values())).sum(), parts

    def decoders(self, config: TrainingConfig, settings: DecoderSettings) -> Decoders:
        """What trains the decoders further, alone. Replaces them."""
        wanted = human_pinches(self.group, settings.pinches, config.seed) if len(self.hands) > 1 else {}
        pinches = MatchedPoses(self.group, self.hands, wanted, config.seed, CLOSER)
        common = (self.space, self.pools, self.anchors, self.matched, pinches, self.across)
        return Decoders(*common, self.settings, settings, config.seed)

    def _sources(self, rng: np.random.Generator) -> Tensor:
        """(H, S) rows of the hands whose latents each decoder gets: its own, then others in random order."""
        count = len(self.group.names)
        others = [rng.permutation(np.delete(np.arange(count), row)) for row in range(count)]
        return torch.tensor([[row, *others[row][: self.settings.sources - 1]] for row in range(count)])

    def _decode(
        self, latents: Tensor, tips: Tensor, anchors: Tensor, sources: Tensor, rng: np.random.Generator
    ) -> tuple[Decoded, Tensor]:
        """Decode noisy latents (H, B, N) and anchors (H, K, N) of the sources; the latter come back (H, S, K, J)."""
        size = latents.shape[1]
        given = torch.cat([latents, anchors], dim=1)[sources]
        joints = self.space.decode(terms.noisy(given, self.settings.latent_noise, rng).flatten(1, 2))
        joints = joints.unflatten(1, given.shape[1:3])
        free = joints[:, :, :size]
        found = self.group.tips(free.flatten(1, 2)).unflatten(1, free.shape[1:3])
        across = self.across.pairs(tips[sources], sources, found, torch.arange(len(sources))[:, None])
        return Decoded(sources, given[:, :, :size], free, across), joints[:, :, size:]

    def _sharing_terms(self, decoded: Decoded) -> dict[str, Tensor]:
        """Decoded poses encode back to where they came from if that was within reach, and hands look alike."""
        s, rows = self.settings, self.hands
        again = self.space.encode(decoded.joints.flatten(1, 2), decoded.pairs.tips.flatten(1, 2))
        again = again.unflatten(1, decoded.joints.shape[1:3])
        real = self.real[:, None, None] * self.real[decoded.sources][..., None]
        reach = terms.within_reach(decoded.pairs, s) * real
        return {
            "cycle": s.cycle * terms.latent_error(again, decoded.latents, reach),
            "moments": s.moments * losses.moment_gap(again[rows].flatten(1, 2)),
        }

    def _matched_terms(self, rng: np.random.Generator) -> dict[str, Tensor]:
        """The same poses, as each hand does them best, look alike, are near each other and far from other poses."""
        s, rows = self.settings, self.hands
        if not len(self.matched.joints):
            return {}
        match = self.matched.draw(s.matched_batch, rng)
        everyone = self.space.encode(match.joints, match.tips)
        source, latents = everyone[match.source], everyone[rows]
        given = terms.noisy(source.expand(len(everyone), -1, -1), s.latent_noise, rng)
        decoded = self.group.tips(self.space.decode(given))[rows]
        best = self.matched.pairs(match, torch.tensor(rows))
        return {
            **terms.matched_terms(source, latents, decoded, best, s),
            "matched_moments": s.moments * losses.moment_gap(latents),
        }
