"""Messages that no executor serves, over a real topic."""

from __future__ import annotations

import time

import pytest
import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from std_msgs.msg import Int32

from node_kit import qos
from node_kit.inbox import Inbox

TOPIC, WAIT_S = "/inbox_test/number", 10.0


@pytest.fixture
def node():
    context = Context()
    rclpy.init(context=context)
    node = rclpy.create_node("inbox_test", context=context)
    yield node
    node.destroy_node()
    rclpy.shutdown(context=context)


@pytest.fixture
def send(node):
    publisher = node.create_publisher(Int32, TOPIC, qos.COMMAND)

    def wait_and_send(*numbers: int) -> None:
        deadline = time.monotonic() + WAIT_S
        while not publisher.get_subscription_count() and time.monotonic() < deadline:
            time.sleep(0.01)
        for number in numbers:
            publisher.publish(Int32(data=number))

    return wait_and_send


def taken(inbox: Inbox, count: int) -> list[int]:
    found, deadline = [], time.monotonic() + WAIT_S
    while len(found) < count and time.monotonic() < deadline:
        message = inbox.take()
        found += [message[0].data] if message is not None else []
    return found


def test_messages_are_taken_in_order_and_tell_when_they_came(node, send):
    inbox = Inbox(node, Int32, TOPIC, qos.COMMAND)
    assert inbox.take() is None
    before_ns = time.time_ns()
    send(1, 2)
    assert taken(inbox, 1) == [1]
    deadline = time.monotonic() + WAIT_S
    while (found := inbox.take()) is None and time.monotonic() < deadline:
        pass
    message, info = found
    assert message.data == 2 and before_ns <= info["received_timestamp"] <= time.time_ns()
    assert inbox.take() is None


def test_a_queue_that_is_full_lets_the_oldest_go(node, send):
    inbox, marker = Inbox(node, Int32, TOPIC, qos.COMMAND), Inbox(node, Int32, TOPIC, qos.STATE)
    send(*range(6))
    assert taken(marker, 6) == list(range(6))  # the same messages in a deeper queue: all have come
    assert taken(inbox, 2) == [4, 5] and inbox.take() is None


def test_an_executor_leaves_an_inbox_alone(node, send):
    inbox, heard = Inbox(node, Int32, TOPIC, qos.COMMAND), []
    node.create_subscription(Int32, TOPIC, lambda message: heard.append(message.data), qos.COMMAND)
    executor = SingleThreadedExecutor(context=node.context)
    executor.add_node(node)
    deadline = time.monotonic() + WAIT_S
    while node.count_subscribers(TOPIC) < 2 and time.monotonic() < deadline:
        executor.spin_once(timeout_sec=0.01)
    send(7)
    while not heard and time.monotonic() < deadline:
        executor.spin_once(timeout_sec=0.01)
    executor.shutdown()
    assert heard == [7] and taken(inbox, 1) == [7]
