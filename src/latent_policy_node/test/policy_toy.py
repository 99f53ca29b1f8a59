"""A toy task that looks like the real one: two coloured discs, two hands that reach them and close.

The images, states and actions obey the station's mirror symmetry, so the mirror augmentation is right for them.
"""

from __future__ import annotations

import numpy as np

from contracts.axes import latent_axes
from latent_policy_node.demonstrations import Demonstrations, digest
from latent_policy_node.mirror import mirror_signs

LATENT = 4
SPACE = "toy@0123456789ab"
HOME = np.array([0.25, -0.4, 0.3])
STEP_M = 0.04

# A network and a run that fit the toy task.
TINY = {
    "model": {
        "encoder": {"channels": [8, 16], "strides": [2, 1], "keypoints": 8, "features": 32},
        "unet_channels": [16, 32],
        "condition": 32,
        "horizon": 8,
        "inference_steps": 4,
    },
    "augment": {"mirror": 0.5, "side_mix": 0.5, "shift_px": 0, "noise": 0.0},
    "train": {"batch": 16, "draws": 2, "warmup": 10, "learning_rate": 0.003, "ema_decay": 0.97, "threads": 1},
}


def demonstrations(
    episodes: int = 6, steps: int = 24, size: tuple[int, int] = (24, 32), seed: int = 0
) -> Demonstrations:
    """Episodes of the toy task; size is (h, w)."""
    rng = np.random.default_rng(seed)
    parts = [_episode(rng, steps, size) for _ in range(episodes)]
    images, state, action = (np.concatenate(column) for column in zip(*parts, strict=True))
    length = len(images) // episodes
    ends = (np.arange(episodes) + 1) * length - 1
    return Demonstrations(
        images=images,
        state=state,
        action=action,
        episode=np.repeat(np.arange(episodes), length),
        last=np.repeat(ends, length),
        pair=np.arange(episodes) % 2,
        pairs=("a:b", "b:a"),
        period_s=0.1,
        axes=latent_axes(LATENT),
        latent_space=SPACE,
        digest=digest(images, state, action),
    )


def _episode(rng: np.random.Generator, steps: int, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    goals = {side: HOME + [0.2, 0, -0.2] + rng.uniform(-1, 1, 3) * [0.1, 0.1, 0] for side in ("left", "right")}
    paths = {side: _reach(goal, steps + 1) for side, goal in goals.items()}
    both = np.concatenate([paths["left"] * mirror_signs(paths["left"].shape[1]), paths["right"]], axis=1)
    both = both.astype(np.float32)
    images = np.stack([_draw(size, goals, row) for row in both[:-1]])
    return images, both[:-1], both[1:]


def _reach(goal: np.ndarray, steps: int) -> np.ndarray:
    """The right side's vectors (steps, axes) on the way to `goal`, then closing z0."""
    position, close, rows = HOME.copy(), 0.0, []
    for _ in range(steps):
        rows.append(np.concatenate([position, [1, 0, 0, 0, 1, 0], [close, 1 - close, 0, 0]]))
        way = goal - position
        distance = np.linalg.norm(way)
        position = goal.copy() if distance < STEP_M else position + way / distance * STEP_M
        close = min(1.0, close + 0.25) if distance < STEP_M else 0.0
    return np.array(rows)


def _draw(size: tuple[int, int], goals: dict[str, np.ndarray], row: np.ndarray) -> np.ndarray:
    """A camera in front of the robots: station +y is on the right of the image, +x at its bottom."""
    height, width = size
    axes = len(row) // 2
    goal = {"left": goals["left"] * [1, -1, 1], "right": goals["right"]}
    y, x = np.mgrid[0:height, 0:width]
    image = np.full((height, width, 3), 90, np.float64)
    for side, wrist in (("left", row[:3]), ("right", row[axes : axes + 3])):
        for place, colour in ((goal[side], (230, 40, 40)), (wrist, (240, 240, 240))):
            centre = ((place[1] / 0.7 + 1) / 2 * (width - 1), place[0] / 0.7 * (height - 1))
            radius = width / 24
            cover = np.clip(radius + 0.5 - np.hypot(x - centre[0], y - centre[1]), 0, 1)[..., None]
            image = image * (1 - cover) + cover * np.array(colour)
    return image.astype(np.uint8)
