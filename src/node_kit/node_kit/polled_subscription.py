"""A subscription that is polled, and a count of dropped messages."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from rclpy.callback_groups import CallbackGroup
from rclpy.guard_condition import GuardCondition
from rclpy.impl.implementation_singleton import rclpy_implementation as _rclpy
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.subscription import Subscription

from node_kit.sole_publisher import SolePublisher

_LONGEST_WAIT_S = 1.0
_END_S = 2.0


def take(subscription: Subscription) -> tuple[Any, Mapping[str, int | None]] | None:
    """The oldest message that waits, with what the middleware knows of it; None where none does.

    To be called where no executor serves the subscription. Raises rclpy's InvalidHandle once it is destroyed.
    """
    with subscription.handle:
        return subscription.handle.take_message(subscription.msg_type, subscription.raw)


class PolledSubscription:
    """A subscription that no executor serves: its owner polls it.

    The middleware queues the messages. The node owns `subscription` and destroys it.

    Args:
        node: The node that subscribes.
        kind: The message type.
        topic: The topic.
        callback: Called with (message) or (message, info), as for an rclpy subscription.
        profile: Quality of service; its depth is that of the queue.
        refuse: Called instead with the reason where a topic has a second publisher; by default such messages are used.
        serialized: Whether the callback gets the bytes of the message instead.
    """

    def __init__(
        self,
        node: Node,
        kind: type,
        topic: str,
        callback: Callable[..., None],
        profile: QoSProfile,
        refuse: Callable[[str], None] | None = None,
        serialized: bool = False,
    ) -> None:
        self.subscription = node.create_subscription(
            kind, topic, callback, profile, callback_group=_Unserved(), raw=serialized
        )
        self._sole, self._refuse = SolePublisher(node, self.subscription), refuse
        self._wants_info = self.subscription._callback_type is Subscription.CallbackType.WithMessageInfo
        self._depth = profile.depth

    def deliver(self) -> None:
        """Call the callback for each queued message, the oldest first, at most as many as the queue holds.

        Raises:
            InvalidHandle: If the subscription is destroyed. Exceptions of the callback pass through.
        """
        for _ in range(self._depth):
            found = take(self.subscription)
            if found is None:
                return
            self._call(found)

    def _call(self, found: tuple[Any, Mapping[str, int | None]]) -> None:
        """Pass a message on, unless the topic has a second publisher."""
        if self._refuse is not None and (conflict := self._sole.conflict(found[1])):
            self._refuse(conflict)
        else:
            self.subscription.callback(*(found if self._wants_info else found[:1]))


class AwaitedSubscription(PolledSubscription):
    """A polled subscription on which one thread waits, without an executor.

    An executor of rclpy collects all entities of its node for every message, which takes longer than the message.
    """

    def __init__(
        self,
        node: Node,
        kind: type,
        topic: str,
        callback: Callable[..., None],
        profile: QoSProfile,
        refuse: Callable[[str], None] | None = None,
        serialized: bool = False,
    ) -> None:
        super().__init__(node, kind, topic, callback, profile, refuse, serialized)
        self._node = node
        self._context, self._interruption = node.context, GuardCondition(None, None, context=node.context)

    def wait(self, timeout_s: float) -> bool:
        """Wait for a message, a call of `interrupt`, or the timeout; to be called by one thread at a time.

        Returns:
            Whether there is a message.

        Raises:
            InvalidHandle: If the subscription is destroyed.
        """
        subscription, interruption = self.subscription.handle, self._interruption.handle
        with subscription, interruption, self._context.handle:  # pyright: ignore[reportOptionalContextManager]
            waiting = _rclpy.WaitSet(1, 1, 0, 0, 0, 0, self._context.handle)
            waiting.clear_entities()
            waiting.add_subscription(subscription)
            waiting.add_guard_condition(interruption)
            waiting.wait(max(0, round(timeout_s * 1e9)))
            return bool(waiting.get_ready_entities("subscription"))

    def interrupt(self) -> None:
        """Make `wait` return; if none is in progress, the next one."""
        self._interruption.trigger()

    def destroy(self) -> None:
        """For the node that keeps it, instead of the subscription."""
        self._node.destroy_subscription(self.subscription)
        self._interruption.destroy()


class QueuedSubscription(AwaitedSubscription):
    """A polled subscription for owners that poll far more often than messages come.

    To ask the middleware takes longer than most of what a servo loop does. A thread waits for messages instead, from
    `start` to `stop`, and queues them; `deliver` then costs nothing while there is none.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._queue: deque[tuple[Any, Mapping[str, int | None]]] = deque(maxlen=self._depth)
        self._end = threading.Event()
        self._error: Exception | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread."""
        self._end.clear()
        self._error = None
        self._thread = threading.Thread(target=self._receive, name="receiver", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread, if there is one."""
        self._end.set()
        if self._thread is not None:
            self.interrupt()
            self._thread.join(_END_S)
            self._thread = None

    def deliver(self) -> None:
        """Call the callback for each queued message, the oldest first.

        Raises:
            Exception: What ended the thread. Exceptions of the callback pass through.
        """
        if self._error is not None:
            raise self._error
        while self._queue:
            self._call(self._queue.popleft())

    def _receive(self) -> None:
        try:
            while not self._end.is_set():
                if self.wait(_LONGEST_WAIT_S) and (found := take(self.subscription)) is not None:
                    self._queue.append(found)
        except Exception as error:  # raised again by `deliver`
            self._error = error


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
