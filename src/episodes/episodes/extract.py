"""Converts one bag to the arrays of one training episode."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from contracts.framing import Fit, Size, expected_shape, framed, framed_fovy_deg, same_shape
from contracts.image_contract import Framing
from episodes import messages, sampling, streams
from episodes.bag import EpisodeReader, naming
from episodes.dataset import PARTS, EpisodeEntry, Joints, resize_area
from episodes.metadata import Description, EpisodeError, EpisodeMetadata, Side


@dataclass(frozen=True)
class Settings:
    """How episodes are sampled: period between steps, s, size (h, w) of images, and fit of those of another shape."""

    period_s: float = 0.1
    size: tuple[int, int] = (96, 128)
    fit: Fit = "same"
    limits: sampling.Limits = field(default_factory=sampling.Limits)


def extract(
    bag: Path, settings: Settings, file: str, source: str, description: Description | None = None
) -> tuple[EpisodeEntry, dict[str, np.ndarray]]:
    """Read, align and resize one bag.

    Args:
        bag: The bag.
        settings: How it is sampled.
        file: `file` of the entry.
        source: `source` of the entry.
        description: What the bag is of, instead of what is written in it.

    Returns:
        The entry and the arrays, as described in `episodes.dataset`.

    Raises:
        EpisodeError: In one line, naming the bag and the faulty stream.
    """
    with naming(bag), EpisodeReader(bag, description) as reader:
        return _extract(reader, settings, file, source)


def _extract(
    reader: EpisodeReader, settings: Settings, file: str, source: str
) -> tuple[EpisodeEntry, dict[str, np.ndarray]]:
    metadata = _checked(reader)
    reader.camera_topic()  # refuses a bag without cameras
    cameras = reader.cameras
    records = streams.load(reader, _wanted(metadata, list(cameras.values())))
    images = {name: streams.image_stream(topic, records[topic]) for name, topic in cameras.items()}
    joints = _joint_streams(metadata, records)
    reference = next(iter(images.values()))
    frames = sampling.choose_frames(reference.topic, reference.stamps, settings.period_s)
    values, chosen, kept = _align(reference.stamps[frames], images, joints, settings)
    arrays, framing = {"stamp_ns": reference.stamps[frames][kept]}, {}
    for name, stream in images.items():
        arrays[f"image.{name}"], sizes = _pictures(reader, stream, chosen[name][kept], settings)
        framing[name] = _framing(sizes, reader.fovy_deg(name), settings)
    arrays |= {key: array[kept] for key, array in values.items()}
    entry = _entry(metadata, joints, file, source, len(arrays["stamp_ns"]))
    return entry.model_copy(update={"framing": framing}), arrays


def _checked(reader: EpisodeReader) -> EpisodeMetadata:
    metadata = reader.described()
    without = [side for side in metadata.embodiments if side not in metadata.bases]
    if without:
        raise EpisodeError("", "metadata.yaml: bases", f"none of {', '.join(without)}", "one of each side")
    return metadata


def _wanted(metadata: EpisodeMetadata, cameras: list[str]) -> dict[str, str]:
    wanted = {camera: messages.IMAGE for camera in cameras}  # noqa: C420 - of type dict[str, str]
    for side in metadata.embodiments:
        for part in PARTS:
            wanted[f"/{side}/{part}/joint_states"] = messages.JOINT_STATE
            wanted[f"/{side}/{part}/command"] = messages.TRAJECTORY
    return wanted


Joint = tuple[streams.StateStream, streams.CommandStream]


def _joint_streams(metadata: EpisodeMetadata, records: dict[str, list]) -> dict[str, Joint]:
    """State and command stream of every `<side>.<part>`."""
    result = {}
    for side in metadata.embodiments:
        for part in PARTS:
            topic = f"/{side}/{part}/joint_states"
            state = streams.state_stream(topic, records[topic])
            topic = f"/{side}/{part}/command"
            result[f"{side}.{part}"] = (state, streams.command_stream(topic, records[topic], state.names))
    return result


def _align(
    steps: np.ndarray, images: dict[str, streams.ImageStream], joints: dict[str, Joint], settings: Settings
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], slice]:
    """Values by array name at every step, chosen frames by camera, and the steps at which all of them are fresh."""
    values: dict[str, np.ndarray] = {}
    chosen: dict[str, np.ndarray] = {}
    ages: dict[str, np.ndarray] = {}
    limits: dict[str, float] = {}
    for name, image in images.items():
        chosen[name] = streams.newest(image.stamps, steps)
        ages[image.topic] = streams.ages(image.stamps, chosen[name], steps)
        limits[image.topic] = settings.period_s * (1 + sampling.GAP)
    for key, (state, command) in joints.items():
        values[f"{key}.position"], ages[state.topic] = state.sample(steps)
        values[f"{key}.command"], ages[command.topic] = command.sample(steps)
        limits[state.topic], limits[command.topic] = settings.limits.state_age_s, settings.limits.command_age_s
    kept = sampling.trim(steps, ages, limits, settings.limits.trim_s)
    if kept.stop - kept.start < settings.limits.min_steps:
        raise EpisodeError("", "", f"{kept.stop - kept.start} steps", f"{settings.limits.min_steps} or more")
    return values, chosen, kept


def _pictures(
    reader: EpisodeReader, stream: streams.ImageStream, chosen: np.ndarray, settings: Settings
) -> tuple[np.ndarray, list[Size]]:
    """The chosen images (T, h, w, 3), and the sizes that they had, each once."""
    pictures = np.empty((len(chosen), *settings.size, 3), dtype=np.uint8)
    filled, sizes = 0, set[Size]()
    for row, pixels in stream.read(reader, chosen):
        image, refusal = framed(pixels, settings.size, settings.fit)
        if refusal:
            found = f"images of {pixels.shape[1]}x{pixels.shape[0]}"
            raise EpisodeError("", stream.topic, found, expected_shape(settings.size, "--fit"))
        pictures[row] = resize_area(image, settings.size)
        sizes.add((pixels.shape[0], pixels.shape[1]))
        filled += 1
    if filled != len(chosen):
        raise EpisodeError("", stream.topic, f"{filled} frames on the second reading", f"{len(chosen)} as before")
    return pictures, sorted(sizes)


def _framing(sizes: list[Size], fovy_deg: float | None, settings: Settings) -> Framing:
    """How images of these sizes were made those of the dataset, from a camera of this vertical field of view, °."""
    fit = "same" if all(same_shape(size, settings.size) for size in sizes) else settings.fit
    if any(size != sizes[0] for size in sizes):
        return Framing(fit=fit)
    seen = framed_fovy_deg(fovy_deg, sizes[0], settings.size, fit)
    return Framing(fit=fit, camera=sizes[0], fovy_deg=seen and round(seen, 3))


def _entry(metadata: EpisodeMetadata, joints: dict[str, Joint], file: str, source: str, length: int) -> EpisodeEntry:
    sides = metadata.embodiments
    names: dict[Side, Joints] = {
        side: Joints(arm=list(joints[f"{side}.arm"][0].names), hand=list(joints[f"{side}.hand"][0].names))
        for side in sides
    }
    return EpisodeEntry(
        file=file,
        source=source,
        task=metadata.task,
        embodiments=sides,
        joints=names,
        bases={side: metadata.bases[side] for side in sides},
        success=metadata.success,
        length=length,
    )
