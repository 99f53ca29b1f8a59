"""Bags and videos whose frames show their number."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from camera_node.source import Frame, Source, SourceEnded
from episodes.bag import EpisodeWriter
from episodes.metadata import EpisodeMetadata

FRAMES, STEP_NS, START_NS = 12, 50_000_000, 1_700_000_000_000_000_000
HEIGHT, WIDTH = 48, 64
METADATA = EpisodeMetadata(task="pick_place", embodiments={"left": {"arm": "xarm7", "hand": "inspire"}})


def picture(number: int, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """A frame (H, W, 3) uint8: its number in red, 200 in blue, columns in green so that a mix-up shows."""
    rgb = np.empty((height, width, 3), np.uint8)
    rgb[..., 0], rgb[..., 1], rgb[..., 2] = 10 * number, np.arange(width) % 100, 200
    return rgb


def number(rgb: np.ndarray) -> int:
    """The number of a picture, also after video compression."""
    return round(float(rgb[..., 0].mean()) / 10)


def write_bag(path: Path, frames: int = FRAMES, step_ns: int = STEP_NS) -> Path:
    with EpisodeWriter(path, METADATA) as writer:
        for index in range(frames):
            stamp = START_NS + index * step_ns
            writer.write_image("/camera/front/image_raw", stamp, picture(index), "front")
            writer.write_joint_state("/left/arm/joint_states", stamp, ["joint1"], np.zeros(1))
        writer.write_image("/camera/side/image_raw", START_NS, picture(20), "side")
    return path


def write_video(path: Path, frames: int = FRAMES, rate_hz: float = 20.0) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), rate_hz, (WIDTH, HEIGHT))
    assert writer.isOpened()
    for index in range(frames):
        writer.write(cv2.cvtColor(picture(index), cv2.COLOR_RGB2BGR))
    writer.release()
    return path


def play(source: Source, most: int = 100) -> list[Frame]:
    """Frames of a source until it ends or there are enough."""
    frames: list[Frame] = []
    source.open()
    try:
        while len(frames) < most:
            frame = source.read()
            frames += [frame] if frame is not None else []
    except SourceEnded:
        pass
    finally:
        source.close()
    return frames
