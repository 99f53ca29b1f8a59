"""Real nodes in this process, isolated from every graph: their callbacks are called as by the executor."""

from __future__ import annotations

import contextlib
import inspect
import os
import time
from collections import deque
from collections.abc import Iterator
from random import Random
from typing import Any
from unittest import mock

from rclpy.context import Context
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.publisher import Publisher
from rclpy.serialization import deserialize_message, serialize_message

from node_kit.lifecycle import Lifecycle
from node_kit.main import autostart

DISCOVERY = "ROS_AUTOMATIC_DISCOVERY_RANGE"
DOMAINS = (160, 230)  # DDS domains that are not used by default
KEPT = 5000  # published messages that are not checked yet

Said = deque[tuple[str, Any]]


@contextlib.contextmanager
def active(kind: type[Lifecycle], name: str, /, **parameters: Any) -> Iterator[Lifecycle]:
    """The node, configured and active, and isolated from other nodes."""
    before = os.environ.get(DISCOVERY)
    os.environ[DISCOVERY] = "OFF"
    context = Context()
    context.init(["--ros-args", "--log-level", "fatal"], domain_id=Random(os.getpid()).randint(*DOMAINS))
    node = kind(name, context=context, parameter_overrides=[Parameter(key, value=v) for key, v in parameters.items()])
    try:
        if not autostart(node):
            raise RuntimeError(f"{name} cannot be started: {node.failure}")
        yield node
    finally:
        node.stop()
        node.destroy_node()
        context.try_shutdown()
        os.environ.pop(DISCOVERY)
        if before is not None:
            os.environ[DISCOVERY] = before


@contextlib.contextmanager
def listening() -> Iterator[Said]:
    """Topic and message of all messages published in this process meanwhile, the last KEPT of them."""
    said: Said = deque(maxlen=KEPT)

    def publish(publisher: Publisher, message: Any) -> None:
        read = deserialize_message(message, publisher.msg_type) if isinstance(message, bytes) else message
        said.append((publisher.topic_name, read))
        spoken(publisher, message)

    spoken = Publisher.publish
    with mock.patch.object(Publisher, "publish", publish):
        yield said


class Mailbox:
    """The callbacks of a node by topic or service name, with the message information that an executor passes."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._topics = {subscription.topic_name: subscription.callback for subscription in node.subscriptions}
        self._services = {service.srv_name.rsplit("/", 1)[-1]: service for service in node.services}
        self._serialised = {subscription.topic_name for subscription in node.subscriptions if subscription.raw}
        self._wants_info = {topic: _takes_two(callback) for topic, callback in self._topics.items()}

    def deliver(self, topic: str, message: Any) -> None:
        """Call the callback with a message received now."""
        now = time.time_ns()
        info = ({"source_timestamp": now, "received_timestamp": now},) if self._wants_info[topic] else ()
        self._topics[topic](serialize_message(message) if topic in self._serialised else message, *info)

    def call(self, name: str) -> Any:
        """Call a service of the node with an empty request; `name` is without that of the node."""
        service: Any = self._services[name]
        return service.callback(service.srv_type.Request(), service.srv_type.Response())

    def tick(self) -> None:
        """Call every timer of the node."""
        for timer in self._node.timers:
            timer.callback()


def _takes_two(callback: Any) -> bool:
    """Whether a callback takes message information, as determined by rclpy."""
    try:
        inspect.signature(callback).bind(None)
    except TypeError:
        return True
    return False
