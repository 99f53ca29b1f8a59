"""Random messages: valid ones, and ones with one or two errors."""

from __future__ import annotations

import math
import time
from array import array
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import numpy as np
from sensor_msgs.msg import CameraInfo, Image, JointState
from trajectory_msgs.msg import JointTrajectory

from node_kit import messages
from system_tests.fuzz import spoil

SOUND = 0.4  # share of valid messages


def trajectory(
    rng: Random, names: Sequence[str], centre: np.ndarray, spread: float, frame_id: str = ""
) -> JointTrajectory:
    """A chunk of one to twenty points around `centre` (n,), mostly with an error."""
    count, step = rng.choice((1, 2, 3, 5, 16)), rng.uniform(0.01, 0.2)
    noise = spread * np.reshape([rng.gauss(0.0, 1.0) for _ in range(count * len(names))], (count, -1))
    stamp = time.time_ns() - rng.randrange(1_000_000)
    message = messages.joint_trajectory(names, stamp, step * np.arange(1, count + 1), centre + noise, frame_id)
    return _spoilt(rng, message, spoil.TRAJECTORY)


def joint_state(rng: Random, names: Sequence[str], centre: np.ndarray, spread: float, frame_id: str = "") -> JointState:
    """A joint state around `centre` (n,), mostly with an error."""
    position = centre + np.array([rng.gauss(0.0, spread) for _ in names])
    still = np.zeros(len(names))
    stamp = time.time_ns() - rng.randrange(30_000_000)
    message = messages.joint_state(names, stamp, position, still, still, frame_id)
    return _spoilt(rng, message, spoil.STATE)


def image(rng: Random, size: tuple[int, int]) -> Image:
    """An image of (height, width), mostly with an error."""
    height, width = size
    message = Image(height=height, width=width, encoding="rgb8", step=3 * width)
    message.header.stamp = messages.to_stamp(time.time_ns() - rng.randrange(50_000_000))
    message.data = array("B", rng.randbytes(64) * (3 * height * width // 64) + bytes(3 * height * width % 64))
    return _spoilt(rng, message, spoil.IMAGE)


def camera_info(rng: Random) -> CameraInfo:
    """A CameraInfo of any focal length and size."""
    info = CameraInfo(height=rng.choice((0, 180, 2**32 - 1)), width=320)
    info.k[4] = rng.choice((0.0, -1.0, 1e-300, 285.5, 1e300, math.inf, math.nan))
    info.roi.height = rng.choice((0, 0, 90, 2**32 - 1))
    return info


def _spoilt(rng: Random, message: Any, ways: Sequence[Callable]) -> Any:
    if rng.random() >= SOUND:
        for _ in range(rng.choice((1, 1, 2))):
            rng.choice(ways)(rng, message)
    return message
