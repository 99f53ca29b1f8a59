"""The camera node as the graph sees it: a real process, real topics."""

from __future__ import annotations

import signal

import numpy as np
import pytest
from camera_process import DEPTH, write_plugin
from lifecycle_msgs.msg import Transition
from recordings import FRAMES, HEIGHT, WIDTH, number

from node_kit import messages

pytestmark = pytest.mark.graph

# Gives numbered pictures; files beside it make it freeze or hang, and set size, rate and number of the pictures.
PLUGIN = """
import time
from pathlib import Path
import numpy as np
from camera_node.source import Frame, SourceEnded

class Camera:
    always_changes = True
    fovy_deg = 60.0
    def __init__(self, options):
        self.directory = Path(options["directory"])
        self.height, self.width = options.get("size", (24, 32))
        self.rate_hz, self.most = options.get("rate_hz", 20.0), options.get("most", 0)
        self.number, self.gives_depth = 0, options.get("depth", False)
    def open(self): self.due = time.monotonic()
    def close(self): (self.directory / "closed").touch()
    def read(self):
        if self.most and self.number == self.most:
            raise SourceEnded("no more")
        while (self.directory / "hang").exists():
            time.sleep(0.1)
        self.due += 1 / self.rate_hz
        time.sleep(max(0.0, self.due - time.monotonic()))
        self.number += not (self.directory / "freeze").exists()
        rgb = np.zeros((self.height, self.width, 3), np.uint8)
        rgb[0, 0] = self.number % 256, self.number // 256, 77
        depth = np.full(rgb.shape[:2], 1000 + self.number % 256, np.uint16)
        return Frame(time.time_ns(), rgb, depth if self.gives_depth else None)
"""

# Waits for ever, as some libraries do for a camera that is not there; the time to start is short here.
HANGING = """
import threading
from camera_node import capture

capture.START_S = 1.0

class Camera:
    def __init__(self, options): pass
    def open(self): threading.Event().wait()
    def close(self): pass
"""

AWAY = """
from pathlib import Path
from camera_node.source import SourceError

HERE = Path(__file__).parent

class Camera:
    def __init__(self, options): self.opened = 0
    def open(self):
        self.opened += 1
        (HERE / "opened").write_text(str(self.opened))
        raise SourceError((HERE / "why").read_text())
    def close(self): pass
"""


@pytest.fixture
def start_bench(start_camera, tmp_path):
    """Starts nodes with the camera above."""
    write_plugin(tmp_path, "bench", PLUGIN)

    def start(options=None, begin=True, **parameters):
        options = {"directory": str(tmp_path), **(options or {})}
        camera = start_camera(source="bench", options=options, **parameters)
        return camera.begin() if begin else camera

    return start


def stamps(received) -> list[int]:
    return [messages.stamp_ns(message.header) for message in received]


def pixels(image) -> np.ndarray:
    rgb, status = messages.image_array(image)
    assert status is messages.MessageStatus.OK
    return rgb


def test_depth_has_the_size_and_the_stamp_of_its_picture(start_bench):
    camera = start_bench({"depth": True, "most": 30}, begin=False)
    received = camera.listen_to_depth()
    camera.begin(DEPTH)
    camera.wait_for(lambda: len(camera.images) == len(received) == 30, "the last frame")
    assert stamps(received) == stamps(camera.images)
    assert {(image.encoding, image.height, image.width, image.step) for image in received} == {("16UC1", 24, 32, 64)}
    shown = [1000 + int(pixels(image)[0, 0, 0]) for image in camera.images]
    assert [int(np.frombuffer(image.data, np.uint16)[-1]) for image in received] == shown


def test_every_frame_of_a_bag_arrives_with_its_camera_info(start_camera, bag):
    camera = start_camera(options={"path": str(bag)}).begin()
    camera.wait_for_state("ended")
    camera.wait_for(lambda: len(camera.images) == len(camera.infos) == FRAMES, "the last frame")
    assert [number(pixels(image)) for image in camera.images] == list(range(FRAMES))
    assert {(image.encoding, image.height, image.width, image.step) for image in camera.images} == {
        ("rgb8", HEIGHT, WIDTH, 3 * WIDTH)
    }
    assert {message.header.frame_id for message in camera.images + camera.infos} == {"front"}
    assert (np.diff(stamps(camera.images)) > 0).all()
    assert stamps(camera.infos) == stamps(camera.images)
    assert {(info.height, info.width) for info in camera.infos} == {(HEIGHT, WIDTH)}
    assert camera.status["published"] == str(FRAMES) and camera.status["message"] == "ended"
    assert float(camera.status["rate_hz"]) > 0.0


def test_images_of_640_by_480_arrive_without_loss(start_bench):
    camera = start_bench({"size": (480, 640), "rate_hz": 10.0, "most": 60}, begin=False)
    # Lost messages are not sent again to a best-effort reader: without the Fast DDS profile it gets one image in eight.
    once = camera.listen_best_effort()
    camera.begin().wait_for_state("ended")
    assert camera.status["published"] == "60"
    received = (camera.images, camera.infos, once)
    camera.wait_for(lambda: min(map(len, received)) >= 60, "the last of 60 images")
    assert [int(pixels(image)[0, 0, 0]) for image in camera.images] == list(range(1, 61))
    assert stamps(camera.infos) == stamps(camera.images) == stamps(once)


def test_a_frozen_camera_is_reported_and_publishes_nothing_old(start_bench, tmp_path):
    camera = start_bench()
    camera.wait_for_state("streaming")
    (tmp_path / "freeze").touch()
    camera.wait_for_state("frozen")
    seen, last = len(camera.images), stamps(camera.images)[-1]
    assert (camera.state_changes[-1][0] - last) * 1e-9 >= 0.09, "two periods of 50 ms"
    camera.wait_for(lambda: int(camera.status["repeated"]) > 10, "repeated frames")
    assert len(camera.images) == seen
    (tmp_path / "freeze").unlink()
    camera.wait_for_state("streaming")
    camera.wait_for(lambda: len(camera.images) > seen, "new frames")


def test_a_camera_that_never_gives_a_frame_becomes_an_error(start_camera, tmp_path):
    write_plugin(tmp_path, "hanging", HANGING)
    camera = start_camera(source="hanging").begin()
    camera.wait_for_state("starting")
    assert camera.status["level"] == "0"
    camera.wait_for_state("lost")
    assert camera.status["message"] == "lost: no frame in 1 s" and camera.status["level"] == "2"
    camera.wait_for(lambda: "lost: no frame in 1 s" in camera.stderr, "a line in the log")


def test_each_reason_for_a_lost_camera_is_logged_and_reported_once(start_camera, tmp_path):
    write_plugin(tmp_path, "away", AWAY)
    (tmp_path / "why").write_text("cable")
    camera = start_camera(source="away").begin()
    camera.wait_for(lambda: camera.status.get("message") == "lost: cable", "the first reason")
    opened = (tmp_path / "opened").read_text()
    camera.wait_for(lambda: (tmp_path / "opened").read_text() != opened, "another attempt")
    (tmp_path / "why").write_text("busy")
    camera.wait_for(lambda: camera.status["message"] == "lost: busy", "the second reason")
    camera.wait_for(lambda: "lost: busy" in camera.stderr, "a line in the log")
    assert [camera.stderr.count(f"lost: {why}") for why in ("cable", "busy")] == [1, 1]


def test_camera_info_follows_the_field_of_view_and_frame_id_the_parameter(start_bench):
    camera = start_bench(frame_id="front_optical")
    camera.wait_for(lambda: camera.infos and camera.images, "frames")
    focal = 24 / 2 / np.tan(np.radians(30.0))
    assert list(camera.infos[0].k) == pytest.approx([focal, 0, 16, 0, focal, 12, 0, 0, 1])
    assert camera.infos[0].header.frame_id == camera.images[0].header.frame_id == "front_optical"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_order(start_bench, tmp_path, number):
    camera = start_bench()
    camera.wait_for(lambda: camera.images, "frames")
    assert camera.signal(number) == 0
    assert (tmp_path / "closed").exists()
    assert camera.stderr == ""


def test_a_camera_that_hangs_does_not_delay_the_end_of_the_process(start_bench, tmp_path):
    camera = start_bench()
    camera.wait_for(lambda: camera.images, "frames")
    (tmp_path / "hang").touch()
    camera.wait_for_state("stopped")
    assert camera.signal(signal.SIGTERM) == 0
    assert "Traceback" not in camera.stderr and camera.stderr.count("\n") == 1
    assert "the camera does not respond" in camera.stderr


def test_the_lifecycle_can_be_gone_through_again_and_again(start_bench):
    camera = start_bench()
    for _ in range(2):
        camera.wait_for(lambda: camera.images, "frames")
        assert camera.change_state(Transition.TRANSITION_DEACTIVATE)
        camera.images.clear()
        assert camera.change_state(Transition.TRANSITION_ACTIVATE)
    assert camera.change_state(Transition.TRANSITION_DEACTIVATE)
    assert camera.change_state(Transition.TRANSITION_CLEANUP)
    camera.images.clear()
    camera.begin()
    camera.wait_for(lambda: camera.images, "frames")


def test_a_missing_file_refuses_to_configure_until_it_is_there(start_camera, bag, tmp_path):
    camera = start_camera(options={"path": str(tmp_path / "later")})
    assert not camera.change_state(Transition.TRANSITION_CONFIGURE)
    bag.rename(tmp_path / "later")  # an unconfigured node may be configured again
    camera.begin().wait_for_state("ended")
    assert camera.stderr.startswith("error: node /front_camera: option 'path': found ")


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"options": {"path": "/nowhere/bag"}}, "option 'path': found /nowhere/bag, expected an existing bag"),
        ({"source": "replai"}, "camera_node.sources: found 'replai', expected one of:"),
        ({"options": ["path"]}, "parameter 'options': found '[\"path\"]', expected a JSON object"),
        ({"name": "front camera"}, "parameter 'name': found 'front camera', expected "),
    ],
    ids=["missing file", "unknown source", "options", "name"],
)
def test_an_invalid_camera_ends_with_an_error_in_one_line(start_camera, parameters, expected):
    camera = start_camera(autostart=True, **parameters)
    assert camera.exit_code() == 1
    assert camera.stderr.count("\n") == 1
    assert camera.stderr.startswith("error: ") and expected in camera.stderr
