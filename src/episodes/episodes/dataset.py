"""The training dataset: dataset.yaml and one .npz per episode, sampled on the camera frames.

Arrays of an episode of T steps: `stamp_ns` (T,) int64; `image.<camera>` (T, h, w, 3) uint8 RGB;
`<side>.<part>.position` and `<side>.<part>.command` (T, n) float64 in rad or m, parts `arm` and `hand`: the newest
state not newer than the stamp, and the joint target in force at it.
"""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from episodes.metadata import Embodiments, EpisodeError, Pose, Side, first_problem

DATASET_FILE = "dataset.yaml"
PARTS: tuple[Literal["arm"], Literal["hand"]] = ("arm", "hand")
_MAX_BYTES = 64 << 20
_COMPRESSION_LEVEL = 1  # images hardly shrink further, and level 1 is several times faster than the default


class Joints(BaseModel):
    """Joint names of one side in the order of the arrays' columns."""

    model_config = ConfigDict(extra="forbid")

    arm: list[str] = Field(description="names, in the order of the columns")
    hand: list[str] = Field(description="the same")


class EpisodeEntry(BaseModel):
    """One episode of a dataset. `source` is the bag it came from, relative to the dataset."""

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
    length: int = Field(ge=1, description="number of steps, T")


class Dataset(BaseModel):
    """Content of dataset.yaml. `cameras` maps a name to [height, width]."""

    model_config = ConfigDict(extra="forbid")

    version: Literal[1] = Field(1, description="of this schema")
    period_s: float = Field(gt=0, description="time between two steps")
    cameras: dict[str, tuple[int, int]] = Field(description="name -> height, width")
    episodes: list[EpisodeEntry] = Field(default_factory=list, description="one file each")


def resize_area(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(H, W, 3) uint8 to (h, w, 3) uint8 for size (h, w), each pixel the mean of the area it covers.

    The one resize of the product: training data and live images both come through here.
    """
    height, width = size
    if image.shape[:2] == (height, width):
        return np.ascontiguousarray(image)
    return cv2.resize(np.ascontiguousarray(image), (width, height), interpolation=cv2.INTER_AREA)


def load_dataset(directory: Path | str) -> Dataset:
    """Read dataset.yaml. Raises EpisodeError naming file, field, what was found and expected."""
    path = Path(directory) / DATASET_FILE
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise EpisodeError(f"{path}: larger than {_MAX_BYTES} bytes")
        # the C loader where there is one: thousands of episodes take seconds in pure Python
        content = yaml.load(path.read_text("utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        return Dataset.model_validate(content)
    except OSError as error:
        raise EpisodeError(f"{path}: {(error.strerror or 'cannot be read').lower()}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise EpisodeError(f"{path}: not YAML: {' '.join(str(error).split())}") from None
    except ValidationError as error:
        raise EpisodeError(f"{path}: {first_problem(error)}") from None


def save_dataset(directory: Path | str, dataset: Dataset) -> None:
    """Write dataset.yaml in one step, so that a reader sees the old or the new one."""
    path = Path(directory) / DATASET_FILE
    content = dataset.model_dump(mode="json")
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    partial = path.with_suffix(".yaml.partial")
    partial.write_text(yaml.dump(content, Dumper=dumper, sort_keys=False, default_flow_style=None, width=1000), "utf-8")
    os.replace(partial, path)


def save_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write an .npz (compressed) in one step."""
    partial = path.with_suffix(".partial")
    with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED, compresslevel=_COMPRESSION_LEVEL) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as stream:
                np.lib.format.write_array(stream, np.ascontiguousarray(array), allow_pickle=False)
    os.replace(partial, path)


def load_arrays(directory: Path | str, entry: EpisodeEntry) -> dict[str, np.ndarray]:
    """The arrays of one episode. Raises EpisodeError if the file is absent, damaged or of another length."""
    path = Path(directory) / entry.file
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except Exception as error:  # damaged archives raise whatever zipfile, zlib and numpy stumble over
        raise EpisodeError(f"{path}: cannot be read: {' '.join(str(error).split())}") from None
    wrong = [name for name, array in arrays.items() if array.shape[:1] != (entry.length,)]
    if wrong or "stamp_ns" not in arrays:
        raise EpisodeError(f"{path}: {', '.join(wrong) or 'stamp_ns'}: expected {entry.length} steps")
    return arrays
