"""A subscription that is polled, and a count of dropped messages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rclpy.callback_groups import CallbackGroup
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.subscription import Subscription


class PolledSubscription:
    """A subscription that no executor serves: its owner polls it, and a message wakes no thread.

    The middleware queues the messages. The node owns `subscription` and destroys it.

    Args:
        node: The node that subscribes.
        kind: The message type.
        topic: The topic.
        callback: Called with (message) or (message, info), as for an rclpy subscription.
        profile: Quality of service; its depth is that of the queue.
    """

    def __init__(self, node: Node, kind: type, topic: str, callback: Callable[..., None], profile: QoSProfile) -> None:
        self.subscription = node.create_subscription(kind, topic, callback, profile, callback_group=_Unserved())
        self._wants_info = self.subscription._callback_type is Subscription.CallbackType.WithMessageInfo
        self._depth = profile.depth

    def deliver(self) -> None:
        """Call the callback for each queued message, the oldest first, at most as many as the queue holds.

        Raises:
            InvalidHandle: If the subscription is destroyed. Exceptions of the callback pass through.
        """
        subscription = self.subscription
        for _ in range(self._depth):
            with subscription.handle:
                found = subscription.handle.take_message(subscription.msg_type, subscription.raw)
            if found is None:
                return
            subscription.callback(*(found if self._wants_info else found[:1]))


class _Unserved(CallbackGroup):
    """A callback group whose entities an executor never executes."""

    def can_execute(self, entity: Any) -> bool:
        """Whether the executor may execute the entity: never."""
        return False

    def beginning_execution(self, entity: Any) -> bool:
        """Whether the executor may begin: never."""
        return False

    def ending_execution(self, entity: Any) -> None:
        """Do nothing."""


class DroppedMessages:
    """Counts messages of a topic with one publisher that newer ones superseded before they were taken.

    The gaps in the middleware's sequence numbers are counted; the count stays zero if the middleware gives none.
    """

    def __init__(self) -> None:
        self.count = 0
        self._newest: int | None = None

    def take(self, info: Mapping[str, int | None]) -> None:
        """Account for a received message.

        Args:
            info: The message information that rclpy passes to a callback of two arguments.
        """
        number = info.get("publication_sequence_number")
        if number is None:
            return
        if self._newest is not None and number > self._newest:  # a restarted publisher begins again
            self.count += number - self._newest - 1
        self._newest = number
