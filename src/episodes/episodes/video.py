"""Writes a bag as a video with captions, or a frame as a picture: `python -m episodes.video film|frame BAG`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, NoReturn

import cv2
import numpy as np
import typer

from episodes import messages, streams
from episodes.bag import EpisodeReader, naming
from episodes.metadata import EpisodeError, EpisodeMetadata

CODEC = "mp4v"
BAR = 30  # height of the caption below the picture, pixels
FONT, FONT_SCALE = cv2.FONT_HERSHEY_SIMPLEX, 0.5
DEFAULT_RATE_HZ = 10.0

app = typer.Typer(add_completion=False, help="Videos and pictures from recorded bags.")


def film(bag: Path, out: Path, camera: str = "", scale: int = 2) -> int:
    """Write the frames of one camera as an mp4 that plays in real time, with task, hands and time as a caption.

    Args:
        bag: The bag.
        out: The mp4 file.
        camera: Name of the camera; by default the first.
        scale: Enlargement.

    Returns:
        The number of frames.

    Raises:
        EpisodeError: If the bag cannot be read, the clock was set back, or the video cannot be written.
    """
    with naming(bag), EpisodeReader(bag) as reader:
        topic = _camera_topic(reader, camera)
        count = _write(_captioned_frames(reader, topic, scale), out, _rate_hz(reader, topic))
        if not count:
            raise EpisodeError("", topic, "no frames", "at least one")
    return count


def frame(bag: Path, out: Path, at_s: float, camera: str = "", scale: int = 2) -> float:
    """Write the first frame at or after `at_s` (s), or the last one, as a picture; returns its time, s."""
    with naming(bag), EpisodeReader(bag) as reader:
        chosen = None
        for chosen in _frames(reader, _camera_topic(reader, camera)):
            if chosen[0] >= at_s:
                break
        if chosen is None:
            raise EpisodeError("", "", "no frames", "at least one")
        picture = captioned(chosen[1], caption(reader.metadata, chosen[0]), scale)
    out.parent.mkdir(parents=True, exist_ok=True)
    if not cv2.imwrite(str(out), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)):
        raise EpisodeError(out, "", "a picture that cannot be written", "a writable file ending in .png or .jpg")
    return chosen[0]


def captioned(rgb: np.ndarray, text: str, scale: int) -> np.ndarray:
    """The image (H, W, 3) enlarged `scale` times, with a caption below; sizes are even, as video codecs require."""
    height, width = rgb.shape[0] * scale // 2 * 2, rgb.shape[1] * scale // 2 * 2
    picture = np.zeros((height + BAR, width, 3), dtype=np.uint8)
    picture[:height] = cv2.resize(np.ascontiguousarray(rgb), (width, height), interpolation=cv2.INTER_LINEAR)
    cv2.putText(picture, text, (8, height + 20), FONT, FONT_SCALE, (235, 235, 235), 1, cv2.LINE_AA)
    return picture


def caption(metadata: EpisodeMetadata | None, seconds: float) -> str:
    """Task, hands and time of a frame."""
    about = f"{metadata.task}   {metadata.hands}   " if metadata else ""
    return f"{about}{seconds:6.2f} s"


def _camera_topic(reader: EpisodeReader, camera: str) -> str:
    """The topic of a camera; refuses one whose frames have times that go back, as they are shown by time."""
    topic = reader.camera_topic(camera)
    streams.refuse_jumps(reader, {topic})
    return topic


def _captioned_frames(reader: EpisodeReader, topic: str, scale: int) -> Iterator[np.ndarray]:
    shape = None
    for seconds, rgb in _frames(reader, topic):
        if rgb.shape != (shape := shape or rgb.shape):  # a video codec would omit the frame without an error
            raise EpisodeError("", topic, f"a frame of {rgb.shape[1]}x{rgb.shape[0]}", f"{shape[1]}x{shape[0]}")
        yield captioned(rgb, caption(reader.metadata, seconds), scale)


def _write(pictures: Iterator[np.ndarray], out: Path, rate_hz: float) -> int:
    """Write pictures (H, W, 3) RGB of one size as a video; returns their number."""
    writer, count = None, 0
    try:
        for picture in pictures:
            writer = writer or _open(out, rate_hz, picture.shape)
            writer.write(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
            count += 1
    finally:
        if writer is not None:
            writer.release()
    return count


def _frames(reader: EpisodeReader, topic: str) -> Iterator[tuple[float, np.ndarray]]:
    """Seconds since the first frame and pixels (H, W, 3) RGB of every frame."""
    first = None
    for record in reader.records({topic}):
        message = record.decode()
        stamp = messages.header_stamp_ns(record.raw)
        first = stamp if first is None else first
        yield (stamp - first) * 1e-9, messages.image_array(message)


def _rate_hz(reader: EpisodeReader, topic: str) -> float:
    """Mean rate, with which the video is as long as the episode even if frames are missing."""
    stamps = [messages.header_stamp_ns(record.raw) for record in reader.records({topic})]
    span = (stamps[-1] - stamps[0]) * 1e-9 if len(stamps) > 1 else 0.0
    return (len(stamps) - 1) / span if span > 0 else DEFAULT_RATE_HZ


def _open(out: Path, rate_hz: float, shape: tuple[int, ...]) -> cv2.VideoWriter:
    out.parent.mkdir(parents=True, exist_ok=True)
    writer = cv2.VideoWriter(str(out), cv2.VideoWriter.fourcc(*CODEC), rate_hz, (shape[1], shape[0]))
    if not writer.isOpened():
        raise EpisodeError(out, "", f"no way to write an {CODEC} video", "a writable file ending in .mp4")
    return writer


Bag = Annotated[Path, typer.Argument(help="bag")]
Out = Annotated[Path, typer.Option(help="file to write")]
Camera = Annotated[str, typer.Option(help="name of the camera, by default the first")]
Scale = Annotated[int, typer.Option(min=1, max=8, help="enlargement")]


@app.command("film")
def film_command(bag: Bag, out: Out = Path("episode.mp4"), camera: Camera = "", scale: Scale = 2) -> None:
    """Write a bag's camera as an mp4 with captions."""
    try:
        count = film(bag, out, camera, scale)
    except (EpisodeError, OSError) as error:
        _fail(error)
    print(f"{out}: {count} frames")


@app.command("frame")
def frame_command(
    bag: Bag,
    out: Out = Path("frame.png"),
    at: Annotated[float, typer.Option(min=0, help="seconds after the first frame")] = 0.0,
    camera: Camera = "",
    scale: Scale = 2,
) -> None:
    """Write one frame of a bag as a picture."""
    try:
        seconds = frame(bag, out, at, camera, scale)
    except (EpisodeError, OSError) as error:
        _fail(error)
    print(f"{out}: frame at {seconds:.2f} s")


def _fail(error: Exception) -> NoReturn:
    print(f"error: {error}", file=sys.stderr)
    raise typer.Exit(1)


def main() -> None:
    """Entry point."""
    app()


if __name__ == "__main__":
    main()
