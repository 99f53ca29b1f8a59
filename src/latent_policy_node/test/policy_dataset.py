"""A small dataset of two pairs of hands, as `episodes.convert` writes them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import embodiments
from contracts.image_contract import Framing
from episodes.dataset import Dataset, EpisodeEntry, save_arrays, save_dataset

HANDS = [("inspire", "xarm_gripper"), ("ability", "inspire")]
SIZE = (24, 32)
STEPS = 9
FRAMING = Framing(fit="crop", camera=(32, 32), fovy_deg=35.0)


def write_dataset(directory: Path) -> Path:
    """Four episodes, two of each pair, and one that failed."""
    directory.mkdir()
    rng = np.random.default_rng(0)
    entries = [_episode(directory, index, HANDS[index % 2], rng, index != 4) for index in range(5)]
    save_dataset(directory, Dataset(period_s=0.1, cameras={"front": SIZE}, episodes=entries))
    return directory


def _episode(
    directory: Path, index: int, hands: tuple[str, str], rng: np.random.Generator, success: bool
) -> EpisodeEntry:
    arrays = {"stamp_ns": np.arange(STEPS) * 100_000_000}
    arrays["image.front"] = rng.integers(0, 256, (STEPS, *SIZE, 3), dtype=np.uint8)
    joints = {}
    for side, hand in zip(("left", "right"), hands, strict=True):
        arm, tool = embodiments.load("xarm7", side), embodiments.load(hand, side)
        joints[side] = {"arm": list(arm.joints), "hand": list(tool.joints)}
        blend = np.linspace(0, 1, STEPS)[:, None]
        opened = (1 - blend) * tool.postures["open"] + blend * tool.postures["grasp"]
        for kind in ("position", "command"):
            arrays[f"{side}.arm.{kind}"] = arm.postures["home"] + rng.normal(0, 0.05, (STEPS, 7))
            arrays[f"{side}.hand.{kind}"] = opened
    file = f"episode_{index:05d}.npz"
    save_arrays(directory / file, arrays)
    bases = {"left": np.eye(4), "right": np.eye(4)}
    bases["left"][1, 3], bases["right"][1, 3] = 0.4, -0.4
    return EpisodeEntry(
        file=file,
        source=f"bag_{index}",
        task="pick_place",
        embodiments={s: {"arm": "xarm7", "hand": h} for s, h in zip(("left", "right"), hands, strict=True)},
        joints=joints,
        bases={side: base.tolist() for side, base in bases.items()},
        success={"left": success, "right": True},
        length=STEPS,
        framing={"front": FRAMING},
    )
