"""What of a robot a latent space depends on, hashed: other values mean that the space should be trained again."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np

from contracts.manifest import CodecManifest
from embodiments import Embodiment
from latent_codec.training.data.poses import POSTURES

DECIMALS = 9


def input_hash(hand: Embodiment) -> str:
    """Hash of kinematics, limits, fingertips, grasp frame and postures; shapes, masses and texts do not count."""
    chain = hand.kinematics.chain
    arrays = [chain.constant, chain.linear, chain.quadratic, chain.source, chain.multiplier, chain.offset]
    arrays += [chain.lower, chain.upper, hand.lower, hand.upper, hand.grasp_frame]
    arrays += [hand.postures[name] for name in POSTURES]
    names = [*hand.joints, *chain.links, *(f"{finger}={link}" for finger, link in hand.tips.items())]
    digest = hashlib.sha256(" ".join(names).encode())
    for array in arrays:
        rounded = np.round(np.asarray(array, dtype="<f8"), DECIMALS) + 0.0  # the sum turns -0 into 0
        digest.update(rounded.tobytes())
    return digest.hexdigest()


def input_hashes(hands: Iterable[Embodiment]) -> dict[str, str]:
    """The hash of each hand, by name."""
    return {hand.name: input_hash(hand) for hand in hands}


def changed_hands(manifest: CodecManifest, hands: Iterable[Embodiment]) -> list[str]:
    """Names of those hands that are not any more what the bundle was trained on."""
    trained = manifest.training.inputs
    return [hand.name for hand in hands if trained.get(hand.name) != input_hash(hand)]
