"""A ROS domain and context of the tests' own."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import rclpy
from rclpy.context import Context
from rclpy.node import Node


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
