"""Messages that wait until someone asks for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rclpy.callback_groups import CallbackGroup
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.subscription import Subscription


class PolledSubscription:
    """A subscription that no executor serves: who has a beat of its own takes what came, and nobody is woken for it.

    The queue is the middleware's, as deep as `profile` says. `callback` is as for a subscription; the node keeps
    `subscription`, and destroys it.
    """

    def __init__(self, node: Node, kind: type, topic: str, callback: Callable[..., None], profile: QoSProfile) -> None:
        self.subscription = node.create_subscription(kind, topic, callback, profile, callback_group=_Unserved())
        self._wants_info = self.subscription._callback_type is Subscription.CallbackType.WithMessageInfo
        self._depth = profile.depth

    def deliver(self) -> None:
        """Hand over what waits, the oldest first, in this thread; never more than the queue holds.

        Raises what the callback raises, and rclpy's InvalidHandle once the subscription is destroyed.
        """
        subscription = self.subscription
        for _ in range(self._depth):
            with subscription.handle:
                found = subscription.handle.take_message(subscription.msg_type, subscription.raw)
            if found is None:
                return
            subscription.callback(*(found if self._wants_info else found[:1]))


class _Unserved(CallbackGroup):
    """Nothing in it is ever ready for an executor."""

    def can_execute(self, entity: Any) -> bool:
        return False

    def beginning_execution(self, entity: Any) -> bool:
        return False

    def ending_execution(self, entity: Any) -> None:
        """Nothing began."""


class DroppedMessages:
    """Counts the messages of a topic with one publisher that newer ones replaced before they were taken.

    Told by the numbers the middleware gives them; one that gives none leaves the count at zero.
    """

    def __init__(self) -> None:
        self.count = 0
        self._newest: int | None = None

    def take(self, info: Mapping[str, int | None]) -> None:
        """A message came, with the information rclpy hands to a callback of two arguments."""
        number = info.get("publication_sequence_number")
        if number is None:
            return
        if self._newest is not None and number > self._newest:  # not so after the publisher was started again
            self.count += number - self._newest - 1
        self._newest = number
