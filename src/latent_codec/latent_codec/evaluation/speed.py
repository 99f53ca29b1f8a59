"""How long decoding one chunk takes: in onnxruntime, as it runs, and in eager torch, as it would otherwise."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

import embodiments
from latent_codec.codec import Codec

CHUNK_POSES = 16
REPEATS = 2000
WARM_UP = 20


def decode_speed(codec: Codec, hand: str, repeats: int = REPEATS) -> dict[str, float]:
    """Milliseconds to decode the 16 poses of a chunk: p50, p99, max; `torch_*` where torch and onnx are installed.

    `cpu_p99_ms` counts only the time this thread ran: on a busy machine the others contain that of other programs.
    """
    robot, share = embodiments.load(hand), np.linspace(0, 1, CHUNK_POSES)[:, None]
    latent = codec.encode(hand, (1 - share) * robot.postures["open"] + share * robot.postures["grasp"])
    result = _timed(lambda: codec.decode(hand, latent), repeats)
    eager = _eager(codec, hand, latent)
    return result | ({f"torch_{key}": value for key, value in _timed(eager, repeats).items()} if eager else {})


def _timed(call: Callable[[], object], repeats: int) -> dict[str, float]:
    wall, cpu = np.empty(repeats), np.empty(repeats)
    for _ in range(WARM_UP):
        call()
    for index in range(repeats):
        started = time.perf_counter(), time.thread_time()
        call()
        wall[index], cpu[index] = time.perf_counter() - started[0], time.thread_time() - started[1]
    return {
        "p50_ms": float(1e3 * np.median(wall)),
        "p99_ms": float(1e3 * np.percentile(wall, 99)),
        "max_ms": float(1e3 * wall.max()),
        "cpu_p99_ms": float(1e3 * np.percentile(cpu, 99)),
    }


def _eager(codec: Codec, hand: str, latent: np.ndarray) -> Callable[[], object] | None:
    try:
        from latent_codec.evaluation.torch_eager import EagerNetwork
    except ModuleNotFoundError:
        return None
    network = EagerNetwork.of(codec, codec.manifest.codec.hands[hand].decoder)
    if network is None:
        return None
    return lambda: network(latent.astype(np.float32))
