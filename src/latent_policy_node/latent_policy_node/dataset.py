"""Datasets in: joint positions and commands become latent vectors.

A dataset directory (see `episodes.dataset`) holds joint positions of whatever hands were used; here they become
vectors of the shared latent space, once, and from then on nobody knows which hand it was.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

import embodiments
from contracts.errors import FileError
from contracts.image_contract import Framing, merged
from episodes.dataset import DATASET_FILE, EpisodeEntry, load_arrays, load_dataset
from latent_codec.codec import Codec
from latent_codec.side import SideCodec
from latent_policy_node.demonstrations import Demonstrations, digest

SIDES = ("left", "right")
Coders = dict[tuple[str, ...], SideCodec]


class DatasetError(FileError):
    """A dataset that cannot be trained from."""


def load(directory: Path, codec: Codec, camera: str = "front") -> Demonstrations:
    """Read the successful episodes of a dataset. Raises DatasetError or episodes' EpisodeError."""
    index = load_dataset(directory)
    path = directory / DATASET_FILE
    if camera not in index.cameras:
        raise DatasetError(path, "cameras", ", ".join(index.cameras), f"{camera} among them")
    entries = [entry for entry in index.episodes if entry.success is None or all(entry.success.values())]
    if len(entries) < 2:
        raise DatasetError(path, "episodes", f"{len(entries)} successful", "at least 2")
    coders: Coders = {}
    lengths = np.array([entry.length for entry in entries])
    images = np.empty((lengths.sum(), *index.cameras[camera], 3), np.uint8)
    state, action = (np.empty((len(images), 2 * len(codec.axes)), np.float32) for _ in range(2))
    for entry, end in zip(entries, np.cumsum(lengths), strict=True):
        rows = slice(end - entry.length, end)
        arrays = load_arrays(directory, entry, index.cameras)
        images[rows] = _images(arrays, camera, directory / entry.file, images.shape[1:])
        state[rows], action[rows] = (_vectors(arrays, entry, part, codec, coders) for part in ("position", "command"))
        if not (np.isfinite(state[rows]).all() and np.isfinite(action[rows]).all()):
            raise DatasetError(directory / entry.file, "", "values that are not finite", "finite values")
    pairs = sorted({_pair(entry) for entry in entries})
    return Demonstrations(
        images=images,
        state=state,
        action=action,
        episode=np.repeat(np.arange(len(entries)), lengths),
        last=np.repeat(np.cumsum(lengths) - 1, lengths),
        pair=np.array([pairs.index(_pair(entry)) for entry in entries]),
        pairs=tuple(pairs),
        period_s=index.period_s,
        axes=codec.axes,
        latent_space=codec.latent_space,
        digest=digest(state, action, images),
        framing=_framing(entries, camera, path),
    )


def _framing(entries: list[EpisodeEntry], camera: str, path: Path) -> Framing:
    try:
        return merged([entry.framing.get(camera, Framing()) for entry in entries])
    except ValueError as error:
        raise DatasetError(path, f"framing.{camera}.fit", str(error), "one of them; convert to a new folder") from None


def _pair(entry: EpisodeEntry) -> str:
    return ":".join(entry.embodiments[side].hand for side in SIDES)


def _images(arrays: dict[str, np.ndarray], camera: str, file: Path, shape: tuple[int, ...]) -> np.ndarray:
    images = arrays.get(f"image.{camera}")
    if images is None or images.shape[1:] != shape or images.dtype != np.uint8:
        found = "nothing" if images is None else f"{images.dtype} {images.shape}"
        raise DatasetError(file, f"image.{camera}", found, f"uint8 (T, {shape[0]}, {shape[1]}, 3)")
    return images


def _vectors(
    arrays: dict[str, np.ndarray],
    entry: EpisodeEntry,
    part: str,
    codec: Codec,
    coders: Coders,
) -> np.ndarray:
    """Latent vectors (T, 2 * axes) of the joint positions or commands of both sides."""
    columns = []
    for side in SIDES:
        joints = {}
        for limb in ("arm", "hand"):
            robot = embodiments.load(getattr(entry.embodiments[side], limb), side)
            names = getattr(entry.joints[side], limb)
            if sorted(names) != sorted(robot.joints):
                raise DatasetError(entry.file, f"joints.{side}.{limb}", names, list(robot.joints))
            order = [names.index(joint) for joint in robot.joints]
            joints[limb] = arrays[f"{side}.{limb}.{part}"][:, order]
        columns.append(_coder(entry, side, codec, coders).latent_states(joints["arm"], joints["hand"]))
    return np.concatenate(columns, axis=-1)


def _coder(entry: EpisodeEntry, side: str, codec: Codec, coders: Coders) -> SideCodec:
    robots = entry.embodiments[side]
    key = (side, robots.arm, robots.hand, str(entry.bases[side]))
    if key not in coders:
        arm, hand = embodiments.load(robots.arm, side), embodiments.load(robots.hand, side)
        coders[key] = SideCodec(codec, arm, hand, np.array(entry.bases[side]))
    return coders[key]
