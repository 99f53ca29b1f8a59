"""Each shipped source in a real node: one that stops or freezes is told within two frame periods."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml
from camera_process import CameraProcess, write_plugin
from moods import MOODS, RATE_HZ, REALSENSE, V4L2, World
from recordings import METADATA, picture
from software_camera import OPTIONS, absent

from episodes.bag import EpisodeWriter
from node_kit import messages

PERIOD_NS = round(1e9 / RATE_HZ)
BUSY_NS = 150_000_000  # what a busy machine may add


def expect_told_in_time(camera: CameraProcess, state: str) -> None:
    """Two periods after the last frame, and not before."""
    camera.wait_for_state(state)
    told = next(when for when, what in camera.told if what == state)
    stamps = [messages.stamp_ns(message.header) for message in camera.images]
    last = max(stamp for stamp in stamps if stamp <= told)
    assert 1.8 * PERIOD_NS <= told - last < 2 * PERIOD_NS + BUSY_NS


def expect_mood_told_in_time(camera: CameraProcess, directory: Path, state: str) -> None:
    camera.wait_for_state("streaming")
    camera.wait_for(lambda: len(camera.images) > 5, "frames")
    camera.told.clear()
    (directory / state).touch()
    expect_told_in_time(camera, state)
    (directory / state).unlink()
    camera.wait_for_state("streaming")


@pytest.mark.parametrize("state", MOODS)
def test_a_webcam(start_camera, tmp_path, state):
    write_plugin(tmp_path, "webcam", V4L2)
    (tmp_path / "video0").touch()
    options = {"device": str(tmp_path / "video0")}
    camera = start_camera(source="webcam", options=options, rate_hz=RATE_HZ, reopen_after_s=30.0)
    expect_mood_told_in_time(camera.begin(), tmp_path, state)


@pytest.mark.skipif(bool(absent), reason=absent)
@pytest.mark.parametrize("state", MOODS)
def test_a_realsense(start_camera, tmp_path, state):
    write_plugin(tmp_path, "software", REALSENSE)
    mode = {name: OPTIONS[name] for name in ("width", "height")}
    camera = start_camera(source="software", rate_hz=RATE_HZ, reopen_after_s=30.0, **mode)
    expect_mood_told_in_time(camera.begin(), tmp_path, state)


def write_recording(path: Path, state: str) -> None:
    """Ten frames, then none or the same one for most of a second, then more."""
    with EpisodeWriter(path, METADATA) as writer:
        for index in range(24):
            if not 10 <= index < 18 or state == "frozen":
                shown = 9 if 10 <= index < 18 else index
                writer.write_image("/camera/front/image_raw", 1 + index * PERIOD_NS, picture(shown), "front")


@pytest.mark.parametrize("state", MOODS)
def test_a_recording(start_camera, tmp_path, state):
    write_recording(tmp_path / "bag", state)
    options = {"path": str(tmp_path / "bag"), "always_changes": True}
    camera = start_camera(source="replay", options=options, rate_hz=RATE_HZ).begin()
    expect_told_in_time(camera, state)
    camera.wait_for_state("ended")
    assert [what for _, what in camera.told if what != "starting"] == ["streaming", state, "streaming", "ended"]


@pytest.fixture
def world(tmp_path) -> Iterator[World]:
    simulated = pytest.importorskip("simulation.world")
    from node_kit.station import STATIONS, load_station
    from simulation.task import load_task

    content = yaml.safe_load((STATIONS / "dual_xarm7.yaml").read_text())
    content["cameras"]["front"] |= {"width": 64, "height": 48, "rate_hz": RATE_HZ}
    file = tmp_path / "station.yaml"
    file.write_text(yaml.safe_dump(content))
    station = load_station(file)
    world = World(tmp_path, simulated.World(station, load_task(station.task, station.sides)).model.nq)
    content["simulation"]["port"] = world.port
    file.write_text(yaml.safe_dump(content))
    yield world
    world.close()


@pytest.mark.parametrize("state", MOODS)
def test_a_simulated_camera(start_camera, tmp_path, world, state):
    options = {"station": str(tmp_path / "station.yaml"), "camera": "front"}
    camera = start_camera(source="simulated", options=options, rate_hz=RATE_HZ, reopen_after_s=30.0)
    expect_mood_told_in_time(camera.begin(), tmp_path, state)


def test_size_and_rate_of_the_parameters_are_asked_of_a_camera_that_can_be_asked(start_camera, tmp_path):
    import cv2

    write_plugin(tmp_path, "webcam", V4L2)
    (tmp_path / "video0").touch()
    options = {"device": str(tmp_path / "video0")}
    camera = start_camera(source="webcam", options=options, width=640, height=360, rate_hz=RATE_HZ).begin()
    camera.wait_for(lambda: camera.images, "frames")
    keys = (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT, cv2.CAP_PROP_FPS)
    assert [float((tmp_path / f"asked_{key}").read_text()) for key in keys] == [640, 360, RATE_HZ]


def test_a_recording_is_not_asked_for_a_size_or_a_rate(start_camera, bag):
    camera = start_camera(options={"path": str(bag)}, width=640, height=360, rate_hz=RATE_HZ).begin()
    camera.wait_for_state("ended")
    stamps = [messages.stamp_ns(message.header) for message in camera.images]
    assert np.median(np.diff(stamps)) < 0.9 * PERIOD_NS, "played at its recorded 20 Hz"


def test_a_size_given_twice_is_refused_in_one_line(start_camera):
    options = {"width": 320}
    camera = start_camera(autostart=True, source="v4l2", options=options, width=640)
    assert camera.process.wait(20.0) == 1
    assert "option 'width': found 320, expected it as the node's parameter" in camera.stderr
