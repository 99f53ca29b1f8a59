"""A recorded bag or a video file as a camera."""

from __future__ import annotations

import os
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from camera_node.source import Frame, SourceEnded, SourceError, parse_options
from contracts.errors import FileError
from contracts.files import check_file
from episodes import messages, streams
from episodes.bag import EpisodeReader, naming
from episodes.metadata import EpisodeError
from episodes.storage import SUFFIXES

WAIT_S = 0.1
DEFAULT_RATE_HZ = 30.0
MAX_VIDEO_BYTES = 1 << 40
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # silent: errors of files are reported here, in one line
Picture = tuple[int, np.ndarray]  # recorded stamp in ns, (H, W, 3) uint8 RGB


class ReplayOptions(BaseModel):
    """Selects a recording and how it is played. No frame is skipped: after a delay, late frames follow at once."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    path: str = Field(min_length=1, description="bag folder, .mcap or .db3 file, or video file")
    camera: str = Field(default="", description="camera in the bag; empty: the first")
    loop: bool = Field(default=False, description="start again at the end")
    rate_hz: float = Field(default=0.0, ge=0, le=1000, description="frames per second; 0 keeps the recorded times")
    stamps: Literal["now", "recorded"] = Field(
        default="now", description="stamp frames with the time of replay or as recorded"
    )
    always_changes: bool = Field(default=False, description="recorded by a real sensor: equal frames mean frozen")


class ReplaySource:
    """Plays frames at their times.

    Args:
        options: Those of ReplayOptions.

    Raises:
        SourceError: If the recording cannot be played.
    """

    reopens = False  # reopening would play it from the start

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._options = parse_options(ReplayOptions, options)
        self.path = Path(self._options.path)
        if not self.path.exists():
            raise SourceError(f"option 'path': found {self.path}, expected an existing bag or video file")
        self.rate_hz = self._options.rate_hz
        self.always_changes = self._options.always_changes
        self._pictures: Generator[Picture, None, None] | None = None
        self._next: Picture | None = None
        self._is_bag = self.path.suffix in SUFFIXES or self.path.is_dir()
        if self._is_bag:
            _refuse_jumps(self.path, self._options.camera)
        self.open()
        self.close()

    def open(self) -> None:
        """Start from the first frame.

        Raises:
            SourceError: If no frame can be read.
        """
        self._pictures = self._play()
        self._next = next(self._pictures, None)
        if self._next is None:
            raise SourceError(f"{self.path}: no frames")
        self._first_ns, self._count, self._started_s = self._next[0], 0, time.monotonic()

    def read(self) -> Frame | None:
        """The next frame at its time; None if that is more than WAIT_S away.

        Raises:
            SourceEnded: At the end of the recording.
        """
        if self._next is None:
            self._next = next(self._pictures or iter(()), None)
        if self._next is None:
            raise SourceEnded(f"{self.path}: played to the end")
        left = self._started_s + self._due_s() - time.monotonic()
        if left > WAIT_S:
            time.sleep(WAIT_S)
            return None
        time.sleep(max(left, 0.0))
        (stamp_ns, rgb), self._next = self._next, None
        self._count += 1
        return Frame(time.time_ns() if self._options.stamps == "now" else stamp_ns, rgb)

    def close(self) -> None:
        """Release the file."""
        if self._pictures is not None:
            self._pictures.close()
        self._pictures = self._next = None

    def _due_s(self) -> float:
        assert self._next is not None
        return self._count / self.rate_hz if self.rate_hz else (self._next[0] - self._first_ns) * 1e-9

    def _play(self) -> Generator[Picture, None, None]:
        """Pictures with stamps that keep increasing when a loop starts again."""
        last: int | None = None
        interval = round(1e9 / DEFAULT_RATE_HZ)
        while True:
            shift = None
            for stamp, rgb in self._once():
                if shift is None:
                    shift = 0 if last is None else last + interval - stamp
                elif last is not None and stamp + shift > last:
                    interval = stamp + shift - last
                last = stamp + shift
                yield last, rgb
            if shift is None or not self._options.loop:
                return

    def _once(self) -> Iterator[Picture]:
        return _bag(self.path, self._options.camera) if self._is_bag else _video(self.path)


def _bag(path: Path, camera: str) -> Iterator[Picture]:
    with _opened(path, camera) as (reader, topic):
        for record in reader.records({topic}):
            yield messages.header_stamp_ns(record.raw), messages.image_array(record.decode())


def _refuse_jumps(path: Path, camera: str) -> None:
    """Frames are played by time: those before and after a clock was set back would interleave."""
    with _opened(path, camera) as (reader, topic):
        streams.refuse_jumps(reader, {topic})


@contextmanager
def _opened(path: Path, camera: str) -> Iterator[tuple[EpisodeReader, str]]:
    """A bag and the topic of a camera in it; what is refused there as SourceErrors."""
    try:
        with naming(path), EpisodeReader(path) as reader:
            topic = reader.camera_topic(camera)
            if (found := reader.topics[topic].msgtype) not in messages.IMAGES:
                raise SourceError(f"{path}: topic {topic}: found {found}, expected {messages.IMAGE}")
            yield reader, topic
    except EpisodeError as error:
        raise SourceError(str(error)) from None


def _video(path: Path) -> Iterator[Picture]:
    try:
        check_file(path, MAX_VIDEO_BYTES)
    except FileError as error:
        raise SourceError(str(error)) from None
    capture = cv2.VideoCapture(str(path))
    try:
        if not capture.isOpened():
            raise SourceError(f"{path}: neither a bag nor a video that can be read")
        rate, count = capture.get(cv2.CAP_PROP_FPS) or DEFAULT_RATE_HZ, 0
        while (taken := capture.read())[0]:
            yield round(count * 1e9 / rate), cv2.cvtColor(taken[1], cv2.COLOR_BGR2RGB)
            count += 1
    finally:
        capture.release()
