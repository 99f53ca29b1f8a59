"""The training dataset: dataset.yaml and one .npz per episode, sampled on the camera frames.

Arrays of an episode of T steps: `stamp_ns` (T,) int64; `image.<camera>` (T, h, w, 3) uint8 RGB;
`<side>.<part>.position` and `<side>.<part>.command` (T, n) float64 in rad or m, parts `arm` and `hand`: the newest
state not newer than the stamp, and the joint target in force at it.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import cv2
import numpy as np
import yaml
from pydantic import BaseModel, ConfigDict, Field

from contracts.arrays import read_arrays
from contracts.errors import validate
from contracts.files import read_mapping, replacing, write_atomic
from contracts.image_contract import Framing
from episodes.metadata import Embodiments, EpisodeError, Pose, Side

DATASET_FILE = "dataset.yaml"
PARTS: tuple[Literal["arm"], Literal["hand"]] = ("arm", "hand")
_MAX_BYTES = 64 << 20
_MAX_ARRAY_BYTES = 8 << 30  # of the largest episode
_HEADERS_BYTES = 1 << 20  # of the arrays of an episode, and of the archive around them
Pixels = Annotated[int, Field(ge=1, le=4096)]
_COMPRESSION_LEVEL = 1  # several times faster than the default, and images are hardly larger


class Joints(BaseModel):
    """Joint names of one side, in the order of the arrays' columns."""

    model_config = ConfigDict(extra="forbid")

    arm: list[str] = Field(description="names, in the order of the columns")
    hand: list[str] = Field(description="the same")


class EpisodeEntry(BaseModel):
    """One episode of a dataset. `source` is its bag, relative to the dataset."""

    model_config = ConfigDict(extra="forbid")

    file: str = Field(
        pattern=r"^[^/\\]+\.npz$", description="its arrays, in the dataset's folder"
    )  # a name, so that no dataset reaches outside its folder
    source: str = Field(description="bag it came from, relative to the dataset")
    task: str = Field(description="name of the task")
    embodiments: dict[Side, Embodiments] = Field(description="by side")
    joints: dict[Side, Joints] = Field(description="by side")
    bases: dict[Side, Pose] = Field(description="poses of the arm roots, as in the bag")
    success: dict[Side, bool] | None = Field(description="by side; none: not judged")
    framing: dict[str, Framing] = Field(default_factory=dict, description="by camera: how its images were made")
    length: int = Field(ge=1, le=1_000_000, description="number of steps, T")
    bag_files: dict[str, tuple[int, int]] = Field(
        default_factory=dict, description="of the bag, name -> size, bytes, and time of change, ns; none: unknown"
    )
    topics: dict[str, str] = Field(default_factory=dict, description="as in the description of the bag")


class Dataset(BaseModel):
    """Content of dataset.yaml. `cameras` maps a name to [height, width]."""

    model_config = ConfigDict(extra="forbid")

    version: Literal[1] = Field(1, description="of this schema")
    period_s: float = Field(ge=1e-3, le=60, description="time between two steps")
    cameras: dict[str, tuple[Pixels, Pixels]] = Field(description="name -> height, width")
    episodes: list[EpisodeEntry] = Field(default_factory=list, description="one file each")


def resize_area(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize an image; each pixel is the mean of the area that it covers.

    Training data and live images are both resized by this function.

    Args:
        image: (H, W, 3) uint8.
        size: (h, w).

    Returns:
        (h, w, 3) uint8.
    """
    height, width = size
    if image.shape[:2] == (height, width):
        return np.ascontiguousarray(image)
    return cv2.resize(np.ascontiguousarray(image), (width, height), interpolation=cv2.INTER_AREA)


def load_dataset(directory: Path | str) -> Dataset:
    """Read dataset.yaml.

    Raises:
        EpisodeError: If it cannot be read, naming file, field, value found and value expected.
    """
    path = Path(directory) / DATASET_FILE
    return validate(Dataset, read_mapping(path, _MAX_BYTES, EpisodeError), path, EpisodeError)


def save_dataset(directory: Path | str, dataset: Dataset) -> None:
    """Write dataset.yaml in one step, so that a reader sees the old or the new one."""
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    content = dataset.model_dump(mode="json")
    text = yaml.dump(content, Dumper=dumper, sort_keys=False, default_flow_style=None, width=1000)
    write_atomic(Path(directory) / DATASET_FILE, text)


def save_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write an .npz (compressed) in one step."""
    with (
        replacing(path) as partial,
        zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED, compresslevel=_COMPRESSION_LEVEL) as archive,
    ):
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as stream:
                np.lib.format.write_array(stream, np.ascontiguousarray(array), allow_pickle=False)


def load_arrays(
    directory: Path | str, entry: EpisodeEntry, cameras: Mapping[str, tuple[int, int]] | None = None
) -> dict[str, np.ndarray]:
    """The arrays of one episode.

    Args:
        directory: Folder of the dataset.
        entry: The episode.
        cameras: Those of the dataset, name -> (h, w); None: read from dataset.yaml.

    Raises:
        EpisodeError: If the file is missing, damaged, of another length, or larger than such an episode.
    """
    path = Path(directory) / entry.file
    sizes = load_dataset(directory).cameras if cameras is None else cameras
    arrays = read_arrays(path, _most_bytes(entry, sizes), EpisodeError)
    for name, array in arrays.items():
        if array.shape[:1] != (entry.length,):
            raise EpisodeError(path, name, f"shape {array.shape}", f"{entry.length} steps")
    if "stamp_ns" not in arrays:
        raise EpisodeError(path, "stamp_ns", None, f"{entry.length} steps")
    return arrays


def _most_bytes(entry: EpisodeEntry, cameras: Mapping[str, tuple[int, int]]) -> int:
    """Most bytes of an episode's arrays: of a step its stamp, images, and positions and commands of all joints."""
    pixels = sum(height * width for height, width in cameras.values())
    joints = sum(len(names.arm) + len(names.hand) for names in entry.joints.values())
    size = entry.length * (8 + 3 * pixels + 2 * 8 * joints)
    return min(size + size // 1000 + _HEADERS_BYTES, _MAX_ARRAY_BYTES)  # noise takes more when it is compressed
