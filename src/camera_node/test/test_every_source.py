"""Each shipped source in a real node: one that stops or freezes is reported as such."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from camera_process import PERIOD_NS, expect_report, expect_report_of_fault, write_plugin
from faulty_cameras import FAULTS, RATE_HZ, REALSENSE, V4L2
from recordings import METADATA, picture
from software_camera import OPTIONS, absent

from episodes.bag import EpisodeWriter
from node_kit import messages

pytestmark = pytest.mark.graph


@pytest.mark.parametrize("state", FAULTS)
def test_a_webcam(start_camera, tmp_path, state):
    write_plugin(tmp_path, "webcam", V4L2)
    (tmp_path / "video0").touch()
    options = {"device": str(tmp_path / "video0")}
    camera = start_camera(source="webcam", options=options, rate_hz=RATE_HZ, reopen_after_s=30.0)
    expect_report_of_fault(camera.begin(), tmp_path, state)


@pytest.mark.skipif(bool(absent), reason=absent)
@pytest.mark.parametrize("state", FAULTS)
def test_a_realsense(start_camera, tmp_path, state):
    write_plugin(tmp_path, "software", REALSENSE)
    mode = {name: OPTIONS[name] for name in ("width", "height")}
    camera = start_camera(source="software", rate_hz=RATE_HZ, reopen_after_s=30.0, **mode)
    expect_report_of_fault(camera.begin(), tmp_path, state)


def write_recording(path: Path, state: str) -> None:
    """Ten frames, then none or the same one for most of a second, then more."""
    with EpisodeWriter(path, METADATA) as writer:
        for index in range(24):
            if not 10 <= index < 18 or state == "frozen":
                shown = 9 if 10 <= index < 18 else index
                writer.write_image("/camera/front/image_raw", 1 + index * PERIOD_NS, picture(shown), "front")


@pytest.mark.parametrize("state", FAULTS)
def test_a_recording(start_camera, tmp_path, state):
    write_recording(tmp_path / "bag", state)
    options = {"path": str(tmp_path / "bag"), "always_changes": True}
    camera = start_camera(source="replay", options=options, rate_hz=RATE_HZ).begin()
    expect_report(camera, state)
    camera.wait_for_state("ended")
    reported = iter(what for _, what in camera.state_changes)
    assert all(expected in reported for expected in ("streaming", state, "streaming", "ended")), "in this order"


def test_a_camera_is_set_to_the_size_and_rate_of_the_parameters(start_camera, tmp_path):
    import cv2

    write_plugin(tmp_path, "webcam", V4L2)
    (tmp_path / "video0").touch()
    options = {"device": str(tmp_path / "video0")}
    camera = start_camera(source="webcam", options=options, width=640, height=360, rate_hz=RATE_HZ).begin()
    camera.wait_for(lambda: camera.images, "frames")
    keys = (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT, cv2.CAP_PROP_FPS)
    assert [float((tmp_path / f"asked_{key}").read_text()) for key in keys] == [640, 360, RATE_HZ]


def test_a_recording_gets_no_request_for_size_or_rate(start_camera, bag):
    camera = start_camera(options={"path": str(bag)}, width=640, height=360, rate_hz=RATE_HZ).begin()
    camera.wait_for_state("ended")
    stamps = [messages.stamp_ns(message.header) for message in camera.images]
    assert np.median(np.diff(stamps)) < 0.9 * PERIOD_NS, "played at its recorded 20 Hz"


def test_a_size_given_twice_is_refused_in_one_line(start_camera):
    options = {"width": 320}
    camera = start_camera(autostart=True, source="v4l2", options=options, width=640)
    assert camera.exit_code() == 1
    assert "option 'width': found 320, expected it as the node's parameter" in camera.stderr
