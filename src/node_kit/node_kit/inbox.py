"""Messages that wait until someone asks for them."""

from __future__ import annotations

from typing import Any

from rclpy.callback_groups import CallbackGroup
from rclpy.node import Node
from rclpy.qos import QoSProfile


class Inbox:
    """A subscription that no executor serves: a loop with a beat of its own takes what came, and nobody is woken.

    The queue is the middleware's, as deep as `profile` says. `subscription` is to be kept and destroyed by the node.
    """

    def __init__(self, node: Node, kind: type, topic: str, profile: QoSProfile) -> None:
        self.subscription = node.create_subscription(kind, topic, _never, profile, callback_group=_Unserved())

    def take(self) -> tuple[Any, dict[str, int]] | None:
        """The oldest message that waits, with what the middleware knows of it; None when there is none.

        From any thread. Raises rclpy's InvalidHandle once the subscription is destroyed.
        """
        with self.subscription.handle:
            return self.subscription.handle.take_message(self.subscription.msg_type, self.subscription.raw)


class _Unserved(CallbackGroup):
    """Nothing in it is ever ready for an executor."""

    def can_execute(self, entity: Any) -> bool:
        return False

    def beginning_execution(self, entity: Any) -> bool:
        return False

    def ending_execution(self, entity: Any) -> None:
        """Nothing began."""


def _never(_message: Any) -> None:
    raise AssertionError("an executor served an inbox")
