"""A ROS domain and context of the tests' own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest
from hypothesis import settings

# Before anything imports ROS: tests of several packages may run at the same time and must not hear each other.
os.environ["ROS_DOMAIN_ID"] = str(1 + os.getpid() % 99)
os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")

import rclpy  # noqa: E402
from rclpy.context import Context  # noqa: E402
from rclpy.node import Node  # noqa: E402

settings.register_profile("untimed", deadline=None)  # a busy machine is no failure
settings.load_profile("untimed")


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
