"""Dropped messages are counted."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from std_msgs.msg import Bool

from node_kit.polled_subscription import DroppedMessages

pytestmark = pytest.mark.graph


@given(st.sets(st.integers(1, 200), min_size=1))
def test_every_number_left_out_between_the_first_and_the_last_is_counted(taken):
    dropped = DroppedMessages()
    for number in sorted(taken):
        dropped.take({"publication_sequence_number": number})
    assert dropped.count == max(taken) - min(taken) + 1 - len(taken)


def test_a_restarted_publisher_has_no_losses():
    dropped = DroppedMessages()
    for number in (1, 2, 1, 2, 3):
        dropped.take({"publication_sequence_number": number})
    assert dropped.count == 0


def test_a_middleware_without_numbers_counts_nothing():
    dropped = DroppedMessages()
    dropped.take({"publication_sequence_number": None})
    dropped.take({})
    assert dropped.count == 0


def test_what_a_full_queue_drops_is_counted(make_node):
    node, dropped, taken = make_node(Node), DroppedMessages(), []
    publisher = node.create_publisher(Bool, "/dropped", 10)
    node.create_subscription(Bool, "/dropped", lambda message, info: (taken.append(0), dropped.take(info)), 2)
    executor = SingleThreadedExecutor(context=node.context)
    executor.add_node(node)
    deadline = time.monotonic() + 20.0
    publisher.publish(Bool())
    while not taken and time.monotonic() < deadline:
        executor.spin_once(timeout_sec=0.1)
    for _ in range(9):
        publisher.publish(Bool())
    while len(taken) + dropped.count < 10 and time.monotonic() < deadline:
        executor.spin_once(timeout_sec=0.1)
    assert dropped.count == 10 - len(taken) > 0
