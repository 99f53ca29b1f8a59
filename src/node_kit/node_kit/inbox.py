"""Messages that wait until someone asks for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.callback_groups import CallbackGroup
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.subscription import Subscription


class Inbox:
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
