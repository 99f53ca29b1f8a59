"""Messages that no executor serves, over a real topic."""

from __future__ import annotations

import threading
import time

import pytest
import rclpy
from rclpy._rclpy_pybind11 import InvalidHandle
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from std_msgs.msg import Int32

from node_kit import qos
from node_kit.polled_subscription import AwaitedSubscription, PolledSubscription, QueuedSubscription

pytestmark = pytest.mark.graph

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


class Box:
    """A polled subscription, and the messages that it delivered."""

    def __init__(self, node, profile=qos.COMMAND) -> None:
        self.received: list[int] = []
        self.inbox = PolledSubscription(node, Int32, TOPIC, lambda message: self.received.append(message.data), profile)

    def holds(self, *numbers: int) -> bool:
        deadline = time.monotonic() + WAIT_S
        while len(self.received) < len(numbers) and time.monotonic() < deadline:
            self.inbox.deliver()
        self.inbox.deliver()
        return self.received == list(numbers)


def test_messages_are_delivered_in_order_on_poll(node, send):
    box = Box(node)
    send(1, 2)
    assert not box.received
    assert box.holds(1, 2)


def test_a_callback_of_two_arguments_gets_the_time_of_reception(node, send):
    found, before_ns = [], time.time_ns()
    inbox = PolledSubscription(
        node, Int32, TOPIC, lambda message, info: found.append((message.data, info)), qos.COMMAND
    )
    send(3)
    deadline = time.monotonic() + WAIT_S
    while not found and time.monotonic() < deadline:
        inbox.deliver()
    ((number, info),) = found
    assert number == 3 and before_ns <= info["received_timestamp"] <= time.time_ns()


def test_a_full_queue_drops_the_oldest_message(node, send):
    box, deeper = Box(node), Box(node, qos.STATE)
    send(*range(6))
    assert deeper.holds(*range(6))  # the same messages: all have come
    assert box.holds(4, 5)


def test_an_executor_does_not_take_polled_messages(node, send):
    box, served = Box(node), []
    node.create_subscription(Int32, TOPIC, lambda message: served.append(message.data), qos.COMMAND)
    executor = SingleThreadedExecutor(context=node.context)
    executor.add_node(node)
    deadline = time.monotonic() + WAIT_S
    while node.count_subscribers(TOPIC) < 2 and time.monotonic() < deadline:
        executor.spin_once(timeout_sec=0.01)
    send(7)
    while not served and time.monotonic() < deadline:
        executor.spin_once(timeout_sec=0.01)
    executor.shutdown()
    assert served == [7] and not box.received
    assert box.holds(7)


def test_an_exception_in_a_callback_reaches_the_caller(node, send):
    inbox, other = PolledSubscription(node, Int32, TOPIC, lambda message: 1 / 0, qos.COMMAND), Box(node)
    send(1)
    assert other.holds(1)
    with pytest.raises(ZeroDivisionError):
        inbox.deliver()


@pytest.fixture
def awaited(node):
    found: list[int] = []
    made = AwaitedSubscription(node, Int32, TOPIC, lambda message: found.append(message.data), qos.COMMAND)
    yield made, found
    made.destroy()


def test_a_wait_ends_when_a_message_comes(awaited, send):
    subscription, found = awaited
    thread = threading.Thread(target=lambda: subscription.wait(WAIT_S) and subscription.deliver())
    thread.start()
    send(5)
    thread.join(WAIT_S)
    assert found == [5]


def test_a_wait_ends_immediately_while_a_message_is_queued(awaited, send):
    subscription, found = awaited
    send(6)
    assert subscription.wait(WAIT_S) and subscription.wait(WAIT_S)
    subscription.deliver()
    assert found == [6] and not subscription.wait(0.0)


def test_an_interrupted_wait_returns_no_message(awaited):
    subscription, _ = awaited
    subscription.interrupt()
    assert not subscription.wait(WAIT_S)


@pytest.fixture
def queued(node):
    found: list[int] = []
    made = QueuedSubscription(node, Int32, TOPIC, lambda message: found.append(message.data), qos.COMMAND)
    yield made, found
    made.stop()
    made.destroy()


def delivered(subscription: QueuedSubscription, found: list[int], *numbers: int) -> bool:
    deadline = time.monotonic() + WAIT_S
    while len(found) < len(numbers) and time.monotonic() < deadline:
        subscription.deliver()
    return found == list(numbers)


def test_queued_messages_are_delivered_in_order_on_poll(queued, send):
    subscription, found = queued
    subscription.start()
    send(1, 2)
    assert not found
    assert delivered(subscription, found, 1, 2)


def test_a_queue_takes_messages_only_between_start_and_stop(queued, send):
    subscription, found = queued
    send(3)
    subscription.start()
    assert delivered(subscription, found, 3)
    subscription.stop()
    send(4)
    subscription.deliver()
    assert found == [3]
    subscription.start()
    assert delivered(subscription, found, 3, 4)


def test_what_ends_the_thread_of_a_queue_is_raised_by_deliver(queued):
    subscription, _ = queued
    subscription.subscription.handle.destroy_when_not_in_use()
    subscription.start()
    deadline = time.monotonic() + WAIT_S
    with pytest.raises(InvalidHandle):
        while time.monotonic() < deadline:
            subscription.deliver()
