"""The policy node in a process of its own, seen through its topics alone."""

from __future__ import annotations

import itertools
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from policy_bundle import AXES, SIZE, write_bundle
from policy_toy import SPACE
from sensor_msgs.msg import CameraInfo, Image, JointState
from trajectory_msgs.msg import JointTrajectory

from contracts.framing import expected_shape, focal_px
from node_kit import messages, qos
from node_kit.testing import HANGING_S, NodeProcess, Peer

pytestmark = pytest.mark.graph

PERIOD_S = 1 / 30
MS = 1_000_000


def new_process(directory: Path, name: str = "policy") -> NodeProcess:
    return NodeProcess(directory, "latent_policy_node.node", name, status="policy")


class World:
    """The policy, a camera and two codecs that it subscribes to, and what it publishes."""

    def __init__(self, directory: Path, bundle: Path) -> None:
        self.policy = new_process(directory)
        node = self.policy.node
        self.images = node.create_publisher(Image, "/camera/front/image_raw", qos.IMAGE)
        self.states = {
            side: node.create_publisher(JointState, f"/{side}/latent_state", qos.STATE) for side in ("left", "right")
        }
        self.chunks: list[tuple[str, JointTrajectory]] = []
        for side in ("left", "right"):
            keep = lambda message, side=side: self.chunks.append((side, message))  # noqa: E731
            node.create_subscription(JointTrajectory, f"/{side}/latent_action", keep, qos.COMMAND)
        self.sent: list[int] = []
        self.rng = np.random.default_rng(0)
        self.wrist, self.speed, self.space = 0.3, 0.0, SPACE
        self.policy.start({"autostart": True, "bundle": str(bundle)})

    @property
    def values(self) -> dict[str, str]:
        """The policy's newest diagnostics."""
        return self.policy.status

    def send(self, image: np.ndarray | None, age_ms: int) -> None:
        """One instant: both states now, and the image at the requested age."""
        now = time.time_ns()
        self.wrist += self.speed * PERIOD_S
        vector = np.full(len(AXES), 0.5)
        vector[:3] = self.wrist
        for publisher in self.states.values():
            publisher.publish(messages.joint_state(AXES, now - age_ms * MS, vector, frame_id=self.space))
        if image is None:
            image = self.rng.integers(1, 256, (*SIZE, 3), dtype=np.uint8)
        self.images.publish(messages.image(image, now - age_ms * MS, "front"))
        self.sent.append(now - age_ms * MS)

    def run_until(self, condition: Callable[[], bool], image: np.ndarray | None = None, age_ms: int = 0) -> bool:
        """Send at 30 Hz until the condition holds (True) or the time is over (False)."""
        end = time.monotonic() + HANGING_S
        while time.monotonic() < end:
            self.send(image, age_ms)
            self.policy.listen(PERIOD_S)
            if condition():
                return True
        return False

    def run_normally(self) -> None:
        """Fresh and changing images until chunks come."""
        self.speed, self.space = 0.0, SPACE
        self.chunks.clear()
        assert self.run_until(lambda: len(self.chunks) >= 6), f"no chunks, diagnostics: {self.values}"

    def refused(self, reason: str, **what: object) -> None:
        """Send `what` until diagnostics name the reason, then for 20 more frames: no chunk may come of them."""
        assert self.run_until(lambda: self.values.get("reason") == reason, **what), f"diagnostics: {self.values}"
        self.chunks.clear()
        self.sent.clear()
        assert self.run_until(lambda: len(self.sent) >= 20, **what)
        assert self.chunks == []


@pytest.fixture(scope="module")
def world(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World(tmp_path_factory.mktemp("policy_node"), bundle)
    try:
        yield world
        assert world.policy.signal(signal.SIGTERM) == 0
    finally:
        world.policy.close()


@pytest.fixture(autouse=True)
def running(request: pytest.FixtureRequest) -> None:
    """Tests of the world begin with a policy that acts, which also shows that it recovered from the test before."""
    if "world" in request.fixturenames:
        request.getfixturevalue("world").run_normally()


def test_chunk_carries_stamp_of_its_image_and_the_latent_space(world: World) -> None:
    for side in ("left", "right"):
        message = next(message for name, message in reversed(world.chunks) if name == side)
        assert messages.stamp_ns(message.header) in world.sent
        assert message.header.frame_id == SPACE
        assert tuple(message.joint_names) == AXES


def test_chunks_come_at_most_every_period(world: World) -> None:
    assert world.run_until(lambda: len(world.chunks) >= 30)
    stamps = sorted({messages.stamp_ns(message.header) for side, message in world.chunks if side == "left"})
    gaps = np.diff(stamps) / 1e9
    assert gaps.min() > 0.08


def test_diagnostics_count_images_and_chunks(world: World) -> None:
    assert world.run_until(lambda: int(world.values.get("images_received", 0)) > 0 and world.values["reason"] == "")
    assert int(world.values["chunks"]) > 0
    assert 0 < float(world.values["inference_ms_p50"]) <= float(world.values["inference_ms_max"])


def test_a_camera_without_camera_info_is_accepted_and_named(world: World) -> None:
    unknown = "not checked: /camera/front/camera_info is not published"
    world.policy.wait_for(lambda: world.values.get("field_of_view") == unknown, "the words")
    assert world.policy.stderr.count(f"field of view {unknown}") == 1


def test_another_field_of_view_than_in_training_stops_the_policy(world: World) -> None:
    infos = world.policy.node.create_publisher(CameraInfo, "/camera/front/camera_info", qos.IMAGE)
    world.refused("no_camera_info: /camera/front/camera_info is published, and none has come")
    infos.publish(camera_info(45.0))
    expected = "expected the 35.0 of the policy's training: set it, or train with this camera"
    world.refused(f"field_of_view: found a vertical field of view of 45.0 degrees, {expected}")
    infos.publish(camera_info(35.0))
    world.run_normally()
    same = "35.0 degrees, 35.0 in the training"
    world.policy.wait_for(lambda: world.values.get("field_of_view") == same, "the words")
    world.policy.node.destroy_publisher(infos)


def camera_info(fovy_deg: float) -> CameraInfo:
    info = CameraInfo(height=SIZE[0], width=SIZE[1])
    info.k[4] = focal_px(SIZE[0], fovy_deg)
    return info


def test_an_encoding_that_is_not_supported_stops_the_policy_and_is_named(world: World) -> None:
    grey = Image(height=SIZE[0], width=SIZE[1], step=SIZE[1], encoding="mono8", data=bytes(SIZE[0] * SIZE[1]))
    named = "wrong_encoding: found the encoding 'mono8', expected rgb8 or bgr8"

    def refused() -> bool:
        world.images.publish(grey)
        return world.values.get("reason") == named

    world.policy.wait_for(refused, "the refusal")


def test_images_slower_than_in_training_are_reported(world: World) -> None:
    stamps = itertools.count(time.time_ns(), 250 * MS)

    def measured() -> bool:
        world.images.publish(messages.image(np.ones((*SIZE, 3), np.uint8), next(stamps), "front"))
        return float(world.values.get("image_rate_hz", 0)) == 4.0

    world.policy.wait_for(measured, "the rate")
    slow = "/camera/front/image_raw: found 4.0 images per second, expected at least 10, as in the policy's training"
    assert slow in world.policy.stderr


def test_an_image_of_another_shape_stops_the_policy_and_names_both(world: World) -> None:
    image = np.ones((40, 40, 3), np.uint8)
    shape = expected_shape(SIZE, "image_fit")
    world.refused(f"image_shape: found an image of 40x40, expected {shape}", image=image)


def test_stale_image_stops_the_policy(world: World) -> None:
    world.refused("stale_image", age_ms=400)


def test_frozen_camera_stops_the_policy(world: World) -> None:
    world.speed = 0.1
    world.refused("frozen_image", image=np.full((*SIZE, 3), 77, np.uint8))


def test_nan_from_the_model_is_never_published(world: World) -> None:
    world.refused("output_not_finite", image=np.zeros((*SIZE, 3), np.uint8))


def test_states_of_another_latent_space_are_ignored(world: World) -> None:
    world.space = "other@0123456789ab"
    assert world.run_until(lambda: world.values.get("reason") in ("latent_space", "stale_state"))
    world.chunks.clear()
    world.sent.clear()
    assert world.run_until(lambda: len(world.sent) >= 20)
    assert world.chunks == []


def test_images_that_do_not_arrive_name_the_node_that_publishes_them(world: World) -> None:
    silent = "no_image: test publishes /camera/front/image_raw, no whole image arrives: packets lost, or it hangs"
    world.policy.wait_for(lambda: world.values.get("reason") == silent, "the cause")


def test_images_of_a_second_camera_node_stop_the_policy_and_both_are_named(world: World) -> None:
    other = Peer("other_camera")
    other.node.create_publisher(Image, "/camera/front/image_raw", qos.IMAGE)
    try:
        world.refused("two publishers of /camera/front/image_raw: other_camera and test")
    finally:
        other.close()


@pytest.fixture
def refusal(tmp_path: Path) -> Iterator[Callable[..., tuple[int, list[str]]]]:
    """Exit code of a node started with these parameters, and the errors that it wrote to stderr."""
    process = new_process(tmp_path, "refused_policy")

    def run(**parameters: object) -> tuple[int, list[str]]:
        process.start({"autostart": True, **parameters})
        code = process.exit_code()
        return code, [text for text in process.stderr.splitlines() if text.startswith("error: ")]

    yield run
    process.close()


def test_other_latent_space_than_the_codecs_is_refused_at_configure(bundle: Path, refusal) -> None:
    code, errors = refusal(bundle=str(bundle), latent_space="other@0123456789ab")
    assert code == 1
    assert len(errors) == 1
    assert SPACE in errors[0] and "other@0123456789ab" in errors[0] and "manifest.yaml" in errors[0]


def test_black_bars_that_were_not_in_the_training_are_a_warning(bundle: Path, tmp_path: Path) -> None:
    process = new_process(tmp_path, "padded_policy")
    try:
        process.start({"autostart": True, "bundle": str(bundle), "image_fit": "pad"})
        words = "image_fit: found pad, and the policy was trained on images without black bars"
        process.wait_for(lambda: words in process.stderr, "the warning")
    finally:
        process.close()


def test_truncated_model_is_refused_at_configure(tmp_path: Path, refusal) -> None:
    model = write_bundle(tmp_path) / "policy.onnx"
    model.write_bytes(model.read_bytes()[:-10])
    code, errors = refusal(bundle=str(tmp_path))
    assert code == 1
    assert len(errors) == 1 and "policy.onnx: size" in errors[0]


def test_missing_bundle_is_refused_at_configure(tmp_path: Path, refusal) -> None:
    code, errors = refusal(bundle=str(tmp_path / "nowhere"))
    assert code == 1
    assert len(errors) == 1 and "nowhere" in errors[0]
