"""One publisher for each topic of the graph: messages are taken only while there is no second one."""

from __future__ import annotations

from collections.abc import Mapping

from rclpy.node import Node
from rclpy.subscription import Subscription

UNKNOWN = "an unknown node"  # what a newcomer is for some milliseconds, and one without ROS always


def known(name: str) -> str:
    """The name of a node as the middleware reports it, in words where it has not discovered the name yet."""
    return name.replace("_NODE_NAME_UNKNOWN_", UNKNOWN)


class SolePublisher:
    """Checks whether a message is from the only publisher of its topic.

    A publisher that left may be replaced. One that died without leaving remains in the graph until the middleware
    gives it up, after 20 s by default; until then its successor counts as a second one.
    rclpy does not say who sent a message, only its sequence number: where that does not increase, the message is from
    another publisher than the one before, which may have left already.
    """

    def __init__(self, node: Node, subscription: Subscription) -> None:
        self._node, self._subscription = node, subscription
        self._number = 0  # of the newest message
        self._publisher: bytes = b""  # its GID

    def conflict(self, info: Mapping[str, int | None]) -> str:
        """Check one message; takes less than a microsecond unless the publisher is new.

        Args:
            info: What the middleware reports of the message.

        Returns:
            Empty if the message is from the only publisher, else a text that names the nodes that publish.
        """
        if self._subscription.handle.get_publisher_count() > 1:
            return self._text([end.node_name for end in self._publishers()])
        number = info.get("publication_sequence_number") or self._number + 1
        if number <= self._number or not self._publisher:
            present = {bytes(end.endpoint_gid): end.node_name for end in self._publishers()}
            if self._publisher in present:
                return self._text([present[self._publisher], "one that left"])
            self._publisher = next(iter(present), b"")
        self._number = number
        return ""

    def _publishers(self) -> list:
        return self._node.get_publishers_info_by_topic(self._subscription.topic_name)

    def _text(self, names: list[str]) -> str:
        return f"two publishers of {self._subscription.topic_name}: {' and '.join(sorted(map(known, names)))}"
