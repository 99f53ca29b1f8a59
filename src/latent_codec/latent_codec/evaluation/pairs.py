"""LAD's two figures on paired data (arXiv 2506.14608): self- and cross-reconstruction."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from latent_codec.evaluation.space import LatentSpace


def self_and_cross_reconstruction(
    space: LatentSpace, paired: Mapping[str, np.ndarray]
) -> tuple[dict[str, float], dict[tuple[str, str], float]]:
    """SR by hand and CR by ordered pair: mean over poses of the summed squared joint errors, in rad^2 (m^2).

    Args:
        paired: hand -> joints (M, n), row m of every hand the same pose. CR(i, j) decodes i's latents by j.
    """
    latents = {name: space.encode(name, joints) for name, joints in paired.items()}
    errors = {
        (source, target): float(((space.decode(target, latents[source]) - paired[target]) ** 2).sum(1).mean())
        for source in paired
        for target in paired
    }
    own = {source: value for (source, target), value in errors.items() if source == target}
    return own, {pair: value for pair, value in errors.items() if pair[0] != pair[1]}
