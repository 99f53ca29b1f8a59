"""What a bundle's manifest says about its quality: the part of the measures that needs nothing but the bundle."""

from __future__ import annotations

from pydantic import JsonValue

from latent_codec.codec import Codec
from latent_codec.evaluation.anchors import anchors
from latent_codec.evaluation.measure import measure_space
from latent_codec.evaluation.posesets import SEED
from latent_codec.evaluation.space import CodecSpace

Metrics = dict[str, JsonValue]


def measure(codec: Codec, count: int = 2000, seed: int = SEED) -> Metrics:
    """`poses`, and `mean`, `hands`, `pairs`, `anchors` of the loaded hands on `count` random poses a hand.

    The oracle and what is read against it are left out: `bench` measures them.
    """
    space = CodecSpace(codec)
    return {"poses": count, **measure_space(space, count, seed), "anchors": anchors(space)}
