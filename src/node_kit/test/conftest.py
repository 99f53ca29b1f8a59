"""A ROS domain and context of the tests' own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile


@pytest.fixture
def make_node() -> Iterator[Callable[..., Node]]:
    """Makes nodes of a class, with command-line arguments; destroyed with the test."""
    contexts: list[tuple[Context, Node]] = []

    def make(kind: type[Node], *arguments: str) -> Node:
        context = Context()
        rclpy.init(context=context)
        command_line = ["--ros-args", *arguments] if arguments else []
        node = kind("tested", context=context, cli_args=command_line)
        contexts.append((context, node))
        return node

    yield make
    for context, node in contexts:
        node.destroy_node()
        context.try_shutdown()


@pytest.fixture
def make_listener(make_node) -> Callable[..., Callable[[], Any]]:
    """Subscribes to a topic; the result waits for the next message and returns it."""

    def subscribe(kind: type, topic: str, profile: QoSProfile) -> Callable[[], Any]:
        node, received = make_node(Node), []
        node.create_subscription(kind, topic, received.append, profile)
        executor = SingleThreadedExecutor(context=node.context)
        executor.add_node(node)

        def wait() -> Any:
            while not received:
                executor.spin_once()
            return received.pop(0)

        return wait

    return subscribe
