"""Videos and pictures of a bag: as many frames as there were, of the expected size."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from episode_bags import IMAGE, MS, START_NS, Episode, metadata, picture, write_episode

from episodes.bag import EpisodeWriter
from episodes.metadata import EpisodeError
from episodes.video import BAR, caption, film, frame


def opened(path: Path) -> list[np.ndarray]:
    video = cv2.VideoCapture(str(path))
    frames = []
    while (read := video.read())[0]:
        frames.append(read[1])
    return frames


def test_a_film_has_every_frame_at_its_size_and_plays_in_real_time(bag, tmp_path):
    assert film(bag, tmp_path / "out" / "film.mp4", scale=4) == 20
    frames = opened(tmp_path / "out" / "film.mp4")
    assert len(frames) == 20
    assert frames[0].shape == (24 * 4 + BAR, 32 * 4, 3)
    assert cv2.VideoCapture(str(tmp_path / "out" / "film.mp4")).get(cv2.CAP_PROP_FPS) == pytest.approx(10.0)
    reds = [float(image[:96, :, 2].mean()) for image in frames]  # OpenCV hands out blue first
    assert reds == pytest.approx([at // 20 for at in range(0, 2000, 100)], abs=4.0)


def test_the_caption_shows_task_hands_and_time(bag):
    text = caption(metadata(), 1.25)
    assert all(part in text for part in ("pick_place", "left inspire", "1.25 s"))
    assert caption(None, 1.25).strip() == "1.25 s"


def test_a_picture_is_the_first_frame_not_before_the_requested_time(bag, tmp_path):
    assert frame(bag, tmp_path / "one.png", 0.75, scale=2) == pytest.approx(0.8)
    image = cv2.imread(str(tmp_path / "one.png"))
    assert image.shape == (48 + BAR, 64, 3)
    assert (image[:48, :, ::-1] == picture(800)[0, 0]).all()
    assert frame(bag, tmp_path / "one.png", 99.0) == pytest.approx(1.9)


def test_a_bag_without_images_and_an_unknown_camera_are_refused(bag, tmp_path):
    blind = write_episode(tmp_path / "blind", Episode(without=(IMAGE,)))
    with pytest.raises(EpisodeError, match=f"^{blind}: /camera/<name>/image_raw: found nothing"):
        film(blind, tmp_path / "film.mp4")
    with pytest.raises(EpisodeError, match=f"^{bag}: camera: found 'wrist', expected one of front"):
        film(bag, tmp_path / "film.mp4", camera="wrist")


def test_a_frame_of_another_size_is_refused_and_not_left_out(tmp_path):
    with EpisodeWriter(tmp_path / "bag", metadata()) as writer:
        writer.write_image(IMAGE, START_NS, picture(0))
        writer.write_image(IMAGE, START_NS + 100 * MS, picture(0)[:12])
    with pytest.raises(EpisodeError, match=rf"^{tmp_path / 'bag'}: {IMAGE}: found a frame of 32x12, expected 32x24"):
        film(tmp_path / "bag", tmp_path / "film.mp4")


@pytest.mark.parametrize("topic", ["", IMAGE])
def test_frames_before_and_after_a_clock_was_set_back_are_not_shown(tmp_path, topic):
    """In the times of reception, and in the stamps alone."""
    bag = write_episode(tmp_path / "bag", Episode(set_back_ms=700, set_back_topic=topic))
    for show in (lambda: film(bag, tmp_path / "film.mp4"), lambda: frame(bag, tmp_path / "one.png", 0.0)):
        with pytest.raises(EpisodeError, match=rf"^{bag}: {IMAGE}: found .* that go back: the clock was set back by"):
            show()
