"""A recorder node in a process of its own, and a node that publishes to it as the rest of the graph would."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from episode_bags import ARM, metadata, picture
from rclpy.publisher import Publisher
from sensor_msgs.msg import Image, JointState

from node_kit import messages, qos, testing

IMAGE, STATES = "/camera/front/image_raw", "/left/arm/joint_states"


class RecorderProcess(testing.NodeProcess):
    """Records into `directory`/bags by default; `parameters` are the node's."""

    def __init__(self, directory: Path, parameters: dict[str, object]) -> None:
        super().__init__(directory, "episodes.recorder_node", "recorder", status="recorder")
        self.bags = directory / "bags"
        defaults = {
            "autostart": True,
            "topics": [IMAGE, STATES],
            "directory": str(self.bags),
            "metadata": metadata(None).model_dump_json(),
            "min_free_bytes": 0,
        }
        self.start({**defaults, **parameters})

    def wait_for_messages(self, count: int) -> None:
        self.wait_for_status(messages=str(count))

    def recorded(self) -> list[Path]:
        return sorted(self.bags.iterdir())

    def states(self) -> Publisher:
        """A publisher of joint states that the recorder has discovered."""
        return self.publisher(JointState, STATES, qos.STATE)

    def pictures(self) -> Publisher:
        """A publisher of images that the recorder has discovered."""
        return self.publisher(Image, IMAGE, qos.IMAGE)

    def send_states(self, publisher: Publisher, count: int, first: int = 0) -> None:
        """Joint states whose position and stamp are their number, 200 a second."""
        for number in range(first, first + count):
            publisher.publish(messages.joint_state(ARM, number, np.full(2, float(number))))
            self.listen(0.005)

    def send_images(self, publisher: Publisher, count: int, pace_s: float = 0.02) -> None:
        """Images whose stamp is their number, 50 a second by default."""
        for number in range(count):
            publisher.publish(messages.image(picture(20 * number), number, "front"))
            self.listen(pace_s)
