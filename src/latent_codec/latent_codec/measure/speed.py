"""How long decoding one chunk takes: in onnxruntime, as it runs, and in eager torch, as it would otherwise."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from latent_codec.codec import Codec

CHUNK_POSES = 16
REPEATS = 2000


def decode_speed(codec: Codec, hand: str, repeats: int = REPEATS) -> dict[str, float]:
    """Milliseconds to decode the 16 poses of a chunk: p50, p99, max; `torch_*` where torch and onnx are installed."""
    low, high = (-1.0, 1.0)
    latent = np.random.default_rng(0).normal(size=(CHUNK_POSES, codec.latent_dim)).clip(low, high)
    result = _timed(lambda: codec.decode(hand, latent), repeats)
    eager = _eager(codec, hand, latent)
    return result | ({f"torch_{key}": value for key, value in _timed(eager, repeats).items()} if eager else {})


def _timed(call: Callable[[], object], repeats: int) -> dict[str, float]:
    times = np.empty(repeats)
    for index in range(-min(50, repeats), repeats):  # the first calls allocate
        start = time.perf_counter()
        call()
        times[index] = 1e3 * (time.perf_counter() - start)
    return {"p50_ms": float(np.median(times)), "p99_ms": float(np.percentile(times, 99)), "max_ms": float(times.max())}


def _eager(codec: Codec, hand: str, latent: np.ndarray) -> Callable[[], object] | None:
    try:
        from latent_codec.measure.eager import EagerNetwork
    except ModuleNotFoundError:
        return None
    network = EagerNetwork.of(codec, codec.manifest.codec.hands[hand].decoder)
    if network is None:
        return None
    return lambda: network(latent.astype(np.float32))
