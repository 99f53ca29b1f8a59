"""The field of view of the policy's camera, from its CameraInfo."""

from __future__ import annotations

from collections.abc import Callable

from rclpy.node import Node
from sensor_msgs.msg import CameraInfo

from node_kit import log, messages, qos
from node_kit.polled_subscription import PolledSubscription


class CameraView:
    """Polls the CameraInfo of the camera whose images the node takes.

    Args:
        node: The node; it keeps `subscription`.
        image_topic: Topic of the images; that of the CameraInfo is beside it.
        trained_deg: Vertical field of view in the policy's training, degrees; None: not in the bundle.
        refuse: Called with the reason when the CameraInfo has a second publisher.

    Attributes:
        fovy_deg: Vertical field of view of the camera's images, degrees; None: unknown.
        words: It and that of the training, or why it is not checked.
    """

    def __init__(
        self, node: Node, image_topic: str, trained_deg: float | None, refuse: Callable[[str], None] | None = None
    ) -> None:
        topic = f"{image_topic[: image_topic.rfind('/') + 1]}camera_info"
        self._node, self._trained_deg = node, trained_deg
        self._inbox = PolledSubscription(node, CameraInfo, topic, self._on_info, qos.CAMERA_INFO, refuse)
        self.subscription = self._inbox.subscription
        self.words = ""
        self.reset()

    def reset(self) -> None:
        """Await the CameraInfo again: it may be another camera's."""
        self.fovy_deg: float | None = None
        self._came = False

    def poll(self) -> str:
        """Take the newest CameraInfo; returns why no image may be used before there is one, or ""."""
        topic = self.subscription.topic_name
        if self._trained_deg is None:
            self._say("not checked: the bundle does not state that of the training")
            return ""
        self._inbox.deliver()
        if not self._came and self.subscription.handle.get_publisher_count():
            return f"no_camera_info: {topic} is published, and none has come"
        if self.fovy_deg is not None:
            self._say(f"{self.fovy_deg:.1f} degrees, {self._trained_deg:.1f} in the training")
        else:
            self._say(f"not checked: {topic} is not {'calibrated' if self._came else 'published'}")
        return ""

    def _on_info(self, info: CameraInfo) -> None:
        self._came, self.fovy_deg = True, messages.fovy_deg(info)

    def _say(self, words: str) -> None:
        """Log once that the field of view is not checked."""
        if words != self.words and words.startswith("not"):
            log.warning(self._node, f"field of view {words}")
        self.words = words
