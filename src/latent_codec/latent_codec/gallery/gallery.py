"""All hands of a bundle in one picture: the same latents, decoded by each hand's decoder and drawn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import cv2
import numpy as np

import embodiments
from latent_codec.gallery import film, layout
from latent_codec.gallery.cells import Decoded, Frame, Shown, count, decode_each, draw, frames
from latent_codec.gallery.poses import PATH, SEED, source_poses
from latent_codec.gallery.scene import HandScene

KINDS = ("human", "hand", "gripper")  # from left to right
PREFERRED_SOURCE = "xhand"


class Gallery:
    """A context manager: it holds one OpenGL context a hand.

    Attributes:
        source: the hand whose encoder made the latents.
        hands: names in the order of the columns.
        poses: row -> joints (n,) of the source.
        latents: row -> (N,).
        refused: how many latents the decoders refused in what was drawn last, and how many there were.
    """

    def __init__(
        self, codec: Shown, source: str | None = None, seed: int = SEED, poses: Mapping[str, np.ndarray] | None = None
    ) -> None:
        """Encode the poses.

        Args:
            codec: Whose hands are shown.
            source: The hand whose poses are encoded; X-Hand by default, else the first.
            seed: Of the random pose.
            poses: Row -> joints (n,) of the source; by default those of `source_poses`.

        Raises:
            GalleryError: The bundle lacks the source.
        """
        self.codec = codec
        self.source = source or (PREFERRED_SOURCE if PREFERRED_SOURCE in codec.hands else codec.hands[0])
        if self.source not in codec.hands:
            raise film.GalleryError(f"source: found {self.source}, expected one of {', '.join(codec.hands)}")
        names = (name for name in codec.hands if "@" not in name)  # a left hand with networks of its own looks alike
        robots = sorted(map(embodiments.load, names), key=lambda hand: KINDS.index(hand.kind))
        self.hands = tuple(robot.name for robot in robots)
        self.poses = dict(poses or source_poses(embodiments.load(self.source), seed))
        self.latents = {row: codec.encode(self.source, pose[None])[0] for row, pose in self.poses.items()}
        self.refused = (0, 0)
        self._stack = ExitStack()
        self._scenes = [self._stack.enter_context(HandScene(robot)) for robot in robots]

    def __enter__(self) -> Gallery:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def grid(self, max_width: int = layout.MAX_WIDTH) -> np.ndarray:
        """The picture (H, W, 3) uint8 RGB: a row a latent, a column a hand."""
        decoded = self.decode(np.array(list(self.latents.values())))
        views = frames(self._extents(decoded))
        left = layout.labels(self.latents)
        room = max_width - left - layout.RIGHT
        shelf = layout.Shelf.place(views, layout.scale_to_fit(views, room), left)
        columns = [
            [draw(scene, cell, view, (width, shelf.height)) for cell in cells]
            for scene, view, cells, width in zip(self._scenes, views, decoded, shelf.widths, strict=True)
        ]
        rows = dict(zip(self.latents, zip(*columns, strict=True), strict=True))
        self.refused = count(decoded)
        return layout.compose(shelf, self.hands, rows, self._notes())

    def picture(self, out: Path, max_width: int = layout.MAX_WIDTH) -> None:
        """Write the grid as a .png file.

        Raises:
            GalleryError: The file cannot be written.
            OSError: Its folder cannot be created.
        """
        out.parent.mkdir(parents=True, exist_ok=True)
        picture = cv2.cvtColor(self.grid(max_width), cv2.COLOR_RGB2BGR)
        if out.suffix != ".png" or not cv2.imwrite(str(out), picture, [cv2.IMWRITE_PNG_COMPRESSION, 9]):
            raise film.GalleryError(f"out: found {out}, expected a .png file that can be written")

    def film(self, video: Path | None, animation: Path | None, settings: film.Settings | None = None) -> None:
        """Write the path open - pinch - power - point - open of all hands at once.

        Without shadows on the wall, which leave traces after compression.

        Raises:
            GalleryError: A file cannot be written.
            OSError: A folder cannot be created.
        """
        chosen = settings or film.Settings()
        places = film.places(len(PATH) - 1, chosen)
        decoded = self.decode(self.path(places, chosen.straight_in))
        views = frames(self._extents(decoded, every=max(1, chosen.rate_hz // 3)))
        stage = film.Stage.fit(self.hands, views, chosen.width)
        self.refused = count(decoded)
        film.write(self._frames(stage, views, places, decoded), chosen, video, animation)

    def path(self, places: np.ndarray, straight_in: str = "latent") -> np.ndarray:
        """Latents (F, N) at places (F,) on the path; its pieces are straight for the latent or the source's joints."""
        if straight_in == "latent":
            return film.along(np.array([self.latents[row] for row in PATH]), places)
        return self.codec.encode(self.source, film.along(np.array([self.poses[row] for row in PATH]), places))

    def _frames(
        self, stage: film.Stage, views: Sequence[Frame], places: np.ndarray, decoded: Sequence[Sequence[Decoded]]
    ) -> Iterator[np.ndarray]:
        for place, now in zip(places, zip(*decoded, strict=True), strict=True):
            cells = zip(self._scenes, now, views, stage.sizes, strict=True)
            yield stage.picture(PATH, place, [draw(*cell, shadow=0.0) for cell in cells])

    def decode(self, latents: np.ndarray) -> list[list[Decoded]]:
        """Latents (M, N) decoded by every hand, in the order of `hands`."""
        fallbacks = [scene.hand.postures["open"] for scene in self._scenes]
        return [
            decode_each(self.codec, name, latents, open_) for name, open_ in zip(self.hands, fallbacks, strict=True)
        ]

    def _extents(self, decoded: Sequence[Sequence[Decoded]], every: int = 1) -> list[tuple[np.ndarray, np.ndarray]]:
        return [
            scene.extent(np.array([cell.joints for cell in cells[::every]]))
            for scene, cells in zip(self._scenes, decoded, strict=True)
        ]

    def _notes(self) -> list[str]:
        source = self.source.replace("_", " ")
        return [
            f"Each row is one latent: a pose of {source}, encoded once, then decoded by every hand's own decoder.",
            f"All hands to one scale, grasp frames aligned. Space {self.codec.latent_space}.",
        ]
