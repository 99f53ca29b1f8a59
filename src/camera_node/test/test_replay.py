"""Recordings played as a camera: every frame, in order, at its time, and one line for what cannot be played."""

from __future__ import annotations

import os
import time

import numpy as np
import pytest
from recordings import FRAMES, HEIGHT, METADATA, START_NS, STEP_NS, WIDTH, number, picture, play, write_bag, write_video

from camera_node.replay import ReplaySource
from camera_node.source import SourceEnded, SourceError
from episodes.bag import EpisodeWriter
from episodes.metadata import EpisodeMetadata

FAST = {"rate_hz": 1000}


def source(path, **options) -> ReplaySource:
    return ReplaySource({"path": str(path), **options})


def test_a_bag_is_played_whole_and_unchanged_at_its_recorded_times(bag):
    began_s, began_ns = time.monotonic(), time.time_ns()
    frames = play(source(bag))
    assert time.monotonic() - began_s >= (FRAMES - 1) * STEP_NS * 1e-9
    assert [number(frame.rgb) for frame in frames] == list(range(FRAMES))
    assert all(np.array_equal(frame.rgb, picture(index)) for index, frame in enumerate(frames))
    stamps = np.array([frame.stamp_ns for frame in frames])
    assert (np.diff(stamps) > 0).all() and began_ns <= stamps[0] and stamps[-1] <= time.time_ns()


def test_a_video_is_played_whole_and_in_order(tmp_path):
    path = write_video(tmp_path / "front.mp4")
    frames = play(source(path, stamps="recorded"))
    assert [number(frame.rgb) for frame in frames] == list(range(FRAMES))
    assert frames[0].rgb.shape == (HEIGHT, WIDTH, 3) and frames[0].rgb.dtype == np.uint8
    assert frames[0].rgb[..., 2].mean() == pytest.approx(200, abs=8), "red and blue are where they belong"
    assert [frame.stamp_ns for frame in frames] == [index * STEP_NS for index in range(FRAMES)]


def test_recorded_stamps_can_be_kept_and_the_rate_changed(bag):
    frames = play(source(bag, stamps="recorded", **FAST))
    assert [frame.stamp_ns - START_NS for frame in frames] == [index * STEP_NS for index in range(FRAMES)]


@pytest.mark.parametrize("kind", ["bag", "video"])
def test_a_loop_continues_with_increasing_stamps(bag, tmp_path, kind):
    path = bag if kind == "bag" else write_video(tmp_path / "front.mp4")
    frames = play(source(path, loop=True, stamps="recorded", **FAST), most=3 * FRAMES)
    assert [number(frame.rgb) for frame in frames] == 3 * list(range(FRAMES))
    assert np.diff([frame.stamp_ns for frame in frames]) == pytest.approx(STEP_NS)


@pytest.mark.parametrize("kind", ["bag", "video"])
def test_a_loop_of_a_single_frame_keeps_a_rate(tmp_path, kind):
    path = write_bag(tmp_path / "one", 1) if kind == "bag" else write_video(tmp_path / "one.mp4", 1)
    began_s = time.monotonic()
    frames = play(source(path, loop=True), most=4)
    assert time.monotonic() - began_s >= 0.1
    assert (np.diff([frame.stamp_ns for frame in frames]) > 0).all()


def test_a_camera_is_chosen_by_name_and_the_first_by_default(bag):
    assert [number(frame.rgb) for frame in play(source(bag, camera="side"))] == [20]


def test_it_ends_with_the_last_frame_and_can_be_played_again(bag):
    player = source(bag, **FAST)
    for _ in range(2):
        assert len(play(player)) == FRAMES
    with pytest.raises(SourceEnded):
        player.read()
    player.close()


def test_waiting_for_a_frame_far_away_is_bounded(tmp_path):
    player = source(write_bag(tmp_path / "slow", 2, step_ns=3600 * 10**9))
    player.open()
    assert number(player.read().rgb) == 0
    began_s = time.monotonic()
    assert player.read() is None
    assert time.monotonic() - began_s < 30.0  # the frame is an hour away


def unfinished(path):
    writer = EpisodeWriter(path, EpisodeMetadata(task="none", embodiments={"left": {"arm": "a", "hand": "h"}}))
    writer.write_image("/camera/front/image_raw", START_NS, picture(0))
    writer.abort()


def no_images(path):
    with EpisodeWriter(path, EpisodeMetadata(task="none", embodiments={"left": {"arm": "a", "hand": "h"}})) as writer:
        writer.write_joint_state("/left/arm/joint_states", START_NS, ["joint1"], np.zeros(1))


def no_video(path):
    path.write_text("nothing to see here")


def cut(path):
    write_bag(path)
    (file,) = path.glob("*.mcap")
    file.write_bytes(file.read_bytes()[:200])


def set_back(path):
    """The clock is set back by 350 ms after 10 of 20 frames."""
    with EpisodeWriter(path, METADATA) as writer:
        for index in range(20):
            stamp = START_NS + index * STEP_NS - (400_000_000 if index >= 10 else 0)
            writer.write_image("/camera/front/image_raw", stamp, picture(index))


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda path: None, "expected an existing bag or video file"),
        (lambda path: path.mkdir(), "no metadata.yaml"),
        (unfinished, "expected a bag that was closed"),
        (no_images, "/camera/<name>/image_raw: found nothing"),
        (no_video, "neither a bag nor a video that can be read"),
        (cut, "truncated or damaged"),
        (set_back, "/camera/front/image_raw: found received at times that go back: the clock was set back by 0.350 s"),
        (os.mkfifo, "expected a regular file"),
        (lambda path: path.symlink_to("/dev/zero"), "expected a regular file"),
    ],
    ids=["missing", "empty", "unfinished", "no images", "no video", "cut", "set back", "fifo", "device"],
)
def test_what_cannot_be_played_is_refused_in_one_line(tmp_path, capfd, make, expected):
    path = tmp_path / "recording"
    make(path)
    with pytest.raises(SourceError) as raised:
        source(path)
    assert str(path) in str(raised.value) and expected in str(raised.value)
    assert "\n" not in str(raised.value)
    assert capfd.readouterr().err == "", "the line is the only one"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"camera": "top"}, "camera: found 'top', expected one of front, side"),
        ({"speed": 2}, "option 'speed': found an unknown field"),
        ({"rate_hz": -1}, "option 'rate_hz': found -1"),
        ({"stamps": "later"}, "option 'stamps': found 'later'"),
        ({"path": ""}, "option 'path': found ''"),
    ],
)
def test_wrong_options_are_one_line(bag, options, expected):
    with pytest.raises(SourceError) as raised:
        ReplaySource({"path": str(bag), **options})
    assert expected in str(raised.value) and "\n" not in str(raised.value)
